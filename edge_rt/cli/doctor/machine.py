"""The machine as the checks see it; each part is looked at when a check first asks for it."""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from edge_rt.board.detection import MachineIdentity, recognise
from edge_rt.board.discovery import Discovery, MakeReader, Roots, WantedReaders, discover
from edge_rt.board.heat_zones import HeatZones
from edge_rt.board.profile import installed_readers
from edge_rt.board.readers.base import Channel, within
from edge_rt.board.readers.bounds import IMPOSSIBLE
from edge_rt.board.readers.ina3221_i2c import raw_chips
from edge_rt.board.readers.sysfs import FILE_IO, FileIo
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.sampler_thread import step_all
from edge_rt.board.supply import SupplyRails, find_supply, known_of
from edge_rt.cli.exits import CommandFailure, Silent
from edge_rt.cli.local.serve import servable
from edge_rt.cli.options import there
from edge_rt.cli.text import Json, member
from edge_rt.config.board import Board, Thermal
from edge_rt.config.boards import board_dirs, check_boards
from edge_rt.config.loader import check, present
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.core.errors import ConfigError
from edge_rt.core.reports.board import BoardName
from edge_rt.core.reports.finding import Finding

SETTLE_S = 0.2  # what is measured over a window needs two reads
PATIENCE_S = 15.0  # with a daemon that is only to say what it knows


@dataclass(frozen=True)
class User:
    """A user; `groups` count for this process."""

    uid: int
    name: str
    groups: frozenset[str]

    @classmethod
    def current(cls) -> User:
        """Return the user of this process."""
        uid = os.geteuid()
        name = _name(lambda: pwd.getpwuid(uid).pw_name, uid)
        groups = frozenset(group_name(gid) for gid in {os.getegid(), *os.getgroups()})
        return cls(uid, name, groups)

    @property
    def sudo(self) -> str:
        """What goes before a command that only root may run."""
        return "" if self.uid == 0 else "sudo "

    def join(self, group: str) -> tuple[str, ...]:
        """Return how to become a member of `group`."""
        return (f"{self.sudo}usermod -aG {group} {self.name}", "# then log out and in again")


def group_name(gid: int) -> str:
    """Return the name of a group, or its number."""
    return _name(lambda: grp.getgrgid(gid).gr_name, gid)


def group_of(path: Path) -> str:
    """Return the name of the group that `path` belongs to."""
    return group_name(path.stat().st_gid)


def _name(look: Callable[[], str], number: int) -> str:
    try:
        return look()
    except KeyError:
        return str(number)


@dataclass(frozen=True)
class MachineReading:
    """One channel's value, or why there is none."""

    reader: str
    channel: Channel
    value: float | None
    error: str | None

    @property
    def refused(self) -> bool:
        """Whether it is a matter of rights."""
        text = self.error or ""
        return any(word in text for word in ("EACCES", "EPERM", "only be read by root"))

    @property
    def impossible(self) -> bool:
        """Whether its value is refused as impossible; a part that is off has no value."""
        text = self.error or ""
        return IMPOSSIBLE in text and " holds " not in text


def read_twice(sampler: BoardSampler, pause: Callable[[float], None]) -> None:
    """Have every channel read, and read again after SETTLE_S."""
    step_all(sampler, 0.0)
    pause(SETTLE_S)
    step_all(sampler, 3600.0)  # by when every reader is due, whatever its period


def several(rails: Sequence[str]) -> str:
    """Rails by name, or how many they are."""
    return ", ".join(rails) if len(rails) < 4 else f"{len(rails)} rails"


def rows(sampler: BoardSampler) -> list[MachineReading]:
    """Return every channel as it stands."""
    names = [reader.name for reader in sampler.readers for _ in reader.channels]
    pairs = zip(names, sampler.readings(), strict=True)
    return [MachineReading(name, r.channel, r.value, r.error) for name, r in pairs]


Access = Callable[[Path, int], bool]


class ExaminedMachine:
    """A board, an installation on it, and the user who runs the command."""

    def __init__(
        self,
        paths: Paths,
        socket: Path,
        *,
        root: Path | None = None,
        config_file: Path | None = None,
        user: User | None = None,
        io: FileIo = FILE_IO,
        access: Access = os.access,
        pause: Callable[[float], None] = time.sleep,
        patience_s: float = PATIENCE_S,
        others: Mapping[str, Callable[[], MakeReader]] | None = None,
        libraries: Path | None = None,
    ) -> None:
        """`root` None: what the configuration says; `pause` waits seconds between two reads.

        `others` are the readers of other packages, and `libraries` the folder of llama.cpp's; None:
        those that are installed.

        `patience_s` is how long a daemon may take to answer before it counts as silent.
        """
        self.paths = paths
        self.socket = socket
        self.user = user or User.current()
        self.access = access
        self.named_config = config_file
        self._root = root
        self._io = io
        self._pause = pause
        self._patience_s = patience_s
        self._others = installed_readers() if others is None else others
        self._libraries = libraries
        self.silent = False  # a daemon let us wait, and is asked nothing more

    @property
    def config_file(self) -> Path:
        """The configuration that counts, whether it is there or not."""
        return self.named_config or self.paths.config_file

    @property
    def libraries(self) -> list[str]:
        """The names of llama.cpp's libraries, found without loading it."""
        folder = self._libraries
        if folder is None:
            spec = importlib.util.find_spec("llama_cpp")
            folder = Path(spec.origin).parent / "lib" if spec and spec.origin else Path(os.devnull)
        return sorted(path.name for path in folder.glob("lib*.so"))

    @cached_property
    def configuration(self) -> tuple[Config, list[ConfigError]]:
        """What is configured, defaults in place of what is at fault, and the faults."""
        if self.named_config is None and not present(self.config_file):
            return Config(), []
        return check(self.config_file, partial(servable, paths=self.paths))

    @property
    def config(self) -> Config:
        """What is configured."""
        return self.configuration[0]

    @property
    def root(self) -> Path:
        """Below which sys, proc, dev and etc lie."""
        return self._root or Path(self.config.sensors.root)

    @property
    def roots(self) -> Roots:
        """Where the board's files begin."""
        return Roots(self.root / "sys", self.root / "proc", self.root / "dev")

    @cached_property
    def profiles(self) -> tuple[dict[str, Board], list[ConfigError]]:
        """The board profiles by id, and what is wrong with others."""
        return check_boards(board_dirs(self.paths))

    @cached_property
    def identity(self) -> MachineIdentity:
        """What the machine says it is."""
        return within("board", lambda: MachineIdentity.read(self.root))

    @cached_property
    def detection(self) -> BoardName | None:
        """The profile that fits best."""
        return recognise(self.profiles[0], self.identity)

    @property
    def board(self) -> Board | None:
        """The profile in use: the configured one, else the one that fits."""
        if self.config.board is not None:
            return self.profiles[0].get(self.config.board)
        return self.profiles[0][self.detection.id] if self.detection else None

    @cached_property
    def discovery(self) -> Discovery:
        """The readers of this board, and what is not read."""
        board, others = self.board, self._others
        if board is None:
            return discover(self.roots, WantedReaders(others=others), io=self._io)
        chips = raw_chips(board.rails, self.roots.sysfs)
        wanted = WantedReaders(chips=chips, known=known_of(board), others=others)
        return discover(self.roots, wanted, io=self._io)

    @cached_property
    def sampler(self) -> BoardSampler:
        """What has read everything twice."""
        sampler = BoardSampler(self.discovery.readers, gap_periods=1e9)  # nothing grows stale
        read_twice(sampler, self._pause)
        sampler.close()
        return sampler

    @cached_property
    def readings(self) -> list[MachineReading]:
        """Every channel as it was then."""
        return rows(self.sampler)

    @cached_property
    def told(self) -> list[Finding]:
        """What the readers themselves find, each thing once."""
        supply = self.board.draw.supply_w if self.board else None
        supply_w = None if supply is None else supply.value
        found = [one for reader in self.sampler.readers for one in reader.diagnose(supply_w)]
        return list(dict.fromkeys(self.own(found)))

    def own(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield findings with the commands as this user has to type them."""
        for one in findings:
            lines = (line.replace("sudo ", self.user.sudo) for line in one.remedy)
            yield replace(one, remedy=tuple(lines))

    def may_write(self, path: Path) -> bool:
        """Return whether a daemon that is not root could write a file of the kernel's."""
        if (self.simulated or self.user.uid != 0) and self.access(path, os.W_OK):
            return True
        info = path.stat()
        return bool(info.st_mode & stat.S_IWOTH or (info.st_mode & stat.S_IWGRP and info.st_gid))

    @cached_property
    def heat(self) -> HeatZones:
        """The temperatures that count."""
        thermal = self.board.thermal if self.board else Thermal()
        return HeatZones(self.sampler, thermal.ignored, thermal.slows_c)

    @property
    def powers(self) -> dict[str, float]:
        """Watts of every rail that can be read, by name."""
        read = [r for r in self.readings if r.channel.kind == "power_w"]
        return {r.channel.name: r.value for r in read if r.value is not None}

    @cached_property
    def supply(self) -> SupplyRails | None:
        """The rails whose sum is the board's power, where they can be read."""
        return find_supply(self.board, self.sampler)

    @property
    def simulated(self) -> bool:
        """Whether the files are not those of this machine."""
        return self.root != Path("/")

    @cached_property
    def daemon_board(self) -> Json | None:
        """What a daemon reads of this very board; None where none answers."""
        report = self.ask("/edge/v1/board")
        return report if report and Path(str(report.get("root"))) == self.root else None

    def ask(self, path: str) -> Json | None:
        """Return a document of the daemon's; None where none answers or it has none."""
        if self.silent or not there(self.socket):
            return None
        from edge_rt.cli.client import Client  # brings an HTTP client

        try:
            with Client(self.socket, self._patience_s) as client:
                return client.get(path)
        except Silent:
            self.silent = True
        except CommandFailure:
            pass
        return None

    @property
    def daemon_measures(self) -> bool:
        """Whether a daemon reads rails for this board's power, be they simulated ones."""
        report = self.daemon_board or {}
        supply = member(report, "supply")
        return supply.get("quality") == "measured" or (
            bool(supply) and report.get("simulated") is True
        )

    def file(self, path: str) -> Path:
        """Return an absolute path below the root."""
        return self.root / path.lstrip("/")
