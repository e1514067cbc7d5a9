"""The control group of this process: how much memory it may have, and whom that has cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60  # bytes: version 1 has a number for none
_SHARE, _MOST_SHARE = 64, 256 << 20  # one part in so many, and at most so many bytes


@dataclass(frozen=True)
class _Files:
    """What a version of control groups calls its files, and in them pages that can be dropped."""

    limits: tuple[str, ...]
    used: str
    droppable: tuple[str, ...]
    kills: str


_VERSION_1 = _Files(
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
    "memory.oom_control",
)
_VERSION_2 = _Files(
    ("memory.max", "memory.high"),
    "memory.current",
    ("inactive_file", "active_file"),
    "memory.events",
)


class ControlGroup:
    """This process's group in the hierarchy for memory, of version 2 or, on older systems, 1."""

    def __init__(self, root: Path = Path("/")) -> None:
        """`root` is where `proc` and `sys` lie."""
        self._files, top, own = _VERSION_2, root / "sys" / "fs" / "cgroup", ""
        for controllers, path in _memberships(root / "proc" / "self" / "cgroup"):
            if "memory" in controllers:
                self._files, top, own = _VERSION_1, top / "memory", path
                break
            if controllers == [""]:
                own = path
        self._own = top / own.strip("/")
        around = [self._own, *self._own.parents]
        levels = around[: around.index(top) + 1]
        self._levels = [one for one in levels if (one / self._files.used).exists()]

    def free_bytes(self) -> int | None:
        """Return what it may still have within its limits and those of groups around it.

        Below zero where it has more. None where nothing limits it.
        """
        free = [self._free(level) for level in self._levels]
        return min((one for one in free if one is not None), default=None)

    def limit_bytes(self) -> int | None:
        """Return what it may have at most; None where nothing limits it."""
        return min(filter(None, map(self._limit, self._levels)), default=None)

    def kills(self) -> int | None:
        """Return how many of its processes the kernel has killed for memory.

        None where it does not tell.
        """
        return _table(self._own / self._files.kills).get("oom_kill")

    def _free(self, level: Path) -> int | None:
        limit = self._limit(level)
        used = None if limit is None else _number(level / self._files.used)
        if limit is None or used is None:
            return None
        stat = _table(level / "memory.stat")
        return limit - used + sum(stat.get(name, 0) for name in self._files.droppable)

    def _limit(self, level: Path) -> int | None:
        limits = [_number(level / name) for name in self._files.limits]
        limit = min((one for one in limits if one is not None), default=_UNLIMITED)
        return None if limit >= _UNLIMITED else limit


def board_memory(name: str, root: Path = Path("/")) -> int:
    """Return the bytes that /proc/meminfo gives under `name`; `root` is where `proc` lies."""
    with (root / "proc" / "meminfo").open() as file:
        for line in file:
            key, _, rest = line.partition(":")
            if key == name:
                return int(rest.split()[0]) * 1024
    raise LookupError(f"/proc/meminfo has no {name}")


class Available:
    """Bytes of memory that models may still have, with what is kept for others."""

    def __init__(
        self,
        reserve_bytes: int,
        group: ControlGroup,
        board: Callable[[], int] = lambda: board_memory("MemAvailable"),
        *,
        own_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        """`reserve_bytes` are kept of what the `board` has: there are no others in the group.

        `own_bytes`, which the daemon may come to take itself, are kept of both.
        """
        self._reserve, self._group, self._board = reserve_bytes, group, board
        self._own = own_bytes

    def __call__(self) -> int:
        """Return what both leave."""
        return min(self._board(), self._granted()) - self._own()

    @property
    def limit(self) -> str:
        """What of it is short first, for people; empty where that is the board's memory."""
        if self._board() <= self._granted():
            return ""
        return "of what MemoryMax= of the service or a limit of its container allows"

    def _granted(self) -> int:
        free = self._group.free_bytes()
        return _UNLIMITED if free is None else free + self._reserve


def memory_bytes(group: ControlGroup, board: int | None = None) -> int:
    """Return bytes of memory that programs in `group` may have in all.

    `board` are those of the board, None: as the kernel tells.
    """
    memory = board_memory("MemTotal") if board is None else board
    return min(memory, group.limit_bytes() or memory)


def memory_share(wished: int | None, group: ControlGroup, board: int | None = None) -> int:
    """Return bytes of memory that are `wished`, or else a small share of what there is in all."""
    if wished is not None:
        return wished
    return min(memory_bytes(group, board) // _SHARE, _MOST_SHARE)


def _memberships(file: Path) -> Iterator[tuple[list[str], str]]:
    """Yield controllers and path of each group that a process is in."""
    for line in _lines(file):
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon:
            yield controllers.split(","), path


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None


def _table(file: Path) -> dict[str, int]:
    """Names and numbers, one a line."""
    rows = (line.split() for line in _lines(file))
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _lines(file: Path) -> Iterable[str]:
    with suppress(OSError, ValueError):
        return file.read_text().splitlines()
    return ()
