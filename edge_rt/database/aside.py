"""Puts an unusable database out of the way, without losing what it may still hold."""

from __future__ import annotations

from pathlib import Path

KEPT = 2
_HEADER = b"SQLite format 3\0"


def is_ours(path: Path) -> bool:
    """Whether `path` may be moved: it is a database, or at least its name ends as one's does.

    Anything else is a file that somebody named by mistake. Raises OSError.
    """
    if not path.is_file():
        return False
    if path.suffix == ".db":
        return True
    with path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER


def move_aside(path: Path, unix_s: float) -> Path:
    """Rename `path` to NAME.corrupt-UNIXTIME, its -wal with it, and keep the KEPT newest such.

    Returns the new name. Raises OSError where the directory cannot be written.
    """
    aside = path.with_name(f"{path.name}.corrupt-{int(unix_s)}")
    for tail in ("-wal", "-shm"):  # first: a new database must not find them
        if _beside(path, tail).exists():
            _beside(path, tail).replace(_beside(aside, tail))
    path.replace(aside)
    for old in _aside(path, but=aside)[KEPT - 1 :]:
        for tail in ("", "-wal", "-shm"):
            _beside(old, tail).unlink(missing_ok=True)
    return aside


def _aside(path: Path, but: Path) -> list[Path]:
    """Those moved aside before, newest first by the clock of their day."""
    start = f"{path.name}.corrupt-"
    found = [
        (int(other.name[len(start) :]), other)
        for other in path.parent.iterdir()
        if other.name.startswith(start) and other.name[len(start) :].isdecimal() and other != but
    ]
    return [other for _, other in sorted(found, reverse=True)]


def _beside(path: Path, tail: str) -> Path:
    return path.with_name(path.name + tail)
