"""The files beside the virtual environment: units, users, rules, configuration, the command."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bootstrap import SetupError
from bootstrap.paths import CHECKOUT

_PLAIN = re.compile(r"(/[\w.+-]+)+", re.ASCII)
CONFIG = "/etc/edge-rt/config.yaml"
COMMAND = "/usr/local/bin/edge-rt"
_SOURCE = CHECKOUT / "systemd"


@dataclass(frozen=True)
class Layout:
    """Paths as the installed system has them, below `destdir` while an image is built."""

    prefix: Path = Path("/opt/edge-rt")  # the virtual environment
    destdir: Path | None = None

    def __post_init__(self) -> None:
        """Raises SetupError for a prefix that units and `#!` lines cannot hold."""
        if not _PLAIN.fullmatch(str(self.prefix)):
            raise SetupError(
                f"--prefix {self.prefix} is no absolute path of letters, digits and . _ + -: "
                "the units could not hold it"
            )

    def at(self, path: str | Path) -> Path:
        """Return where the system's `path` lies now."""
        return self.destdir / str(path).lstrip("/") if self.destdir else Path(path)


SERVICE, SOCKET = "edge-rt.service", "edge-rt.socket"
CHECK, CHECK_SOCKET = "edge-rt-check@.service", "edge-rt-check.socket"
RPC = "edge-rt-rpc.service"  # that nobody enables but whoever wants it
PLACES = {
    SERVICE: f"/etc/systemd/system/{SERVICE}",
    **{unit: f"/etc/systemd/system/{unit}" for unit in (SOCKET, CHECK, CHECK_SOCKET, RPC)},
    "edge-rt.sysusers": "/etc/sysusers.d/edge-rt.conf",
    "edge-rt.tmpfiles": "/etc/tmpfiles.d/edge-rt.conf",
    "60-edge-rt.rules": "/etc/udev/rules.d/60-edge-rt.rules",
}

_PREFIX = str(Layout().prefix)


def put(layout: Layout) -> bool:
    """Write files that are missing or differ; return whether any did. A configuration is kept.

    Raises SetupError where something else has the command's place.
    """
    changed = [
        _write(layout.at(place), (_SOURCE / name).read_text().replace(_PREFIX, str(layout.prefix)))
        for name, place in PLACES.items()
    ]
    if not layout.at(CONFIG).exists():
        _write(layout.at(CONFIG), (_SOURCE / "config.yaml").read_text())
    _link(layout)
    return any(changed)


def open_up(layout: Layout, others: Iterable[Path] = ()) -> bool:
    """Let everybody read the installation and `others`; return whether anybody could not.

    An earlier one under umask 077 made folders and files that the service could not read. Of the
    folders around its files, and of the configuration, those that no group may read are opened.
    """
    program = layout.at(layout.prefix)
    files = [layout.at(place) for place in PLACES.values()] + list(others)
    folders = {path.parent for path in (*files, layout.at(CONFIG), layout.at(COMMAND))}
    if layout.prefix == Layout().prefix:
        folders.add(program.parent)
    closed = [folder for folder in folders if not stat.S_IMODE(folder.stat().st_mode) & 0o077]
    ours = [program, *program.rglob("*"), *files, *closed]
    opened = [path for path in ours if path.exists() and not path.is_symlink() and _open(path)]
    return bool(opened)


def _open(path: Path) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    wanted = mode | (0o555 if mode & stat.S_IXUSR else 0o444)
    if wanted != mode:
        path.chmod(wanted)
    return wanted != mode


def remove(layout: Layout) -> None:
    """Delete all of it but the configuration."""
    for place in PLACES.values():
        layout.at(place).unlink(missing_ok=True)
    if _is_ours(layout):
        layout.at(COMMAND).unlink()


def _write(path: Path, text: str) -> bool:
    if path.is_file() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(path)
    return True


def _link(layout: Layout) -> None:
    place = layout.at(COMMAND)
    if _is_ours(layout):
        return
    if os.path.lexists(place):
        raise SetupError(f"{place} is there and not of this installation: move it away")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(_program(layout))


def _is_ours(layout: Layout) -> bool:
    place = layout.at(COMMAND)
    return place.is_symlink() and str(place.readlink()) == _program(layout)


def _program(layout: Layout) -> str:
    return f"{layout.prefix}/bin/edge-rt"
