"""What the configuration says of the ledger's file, held against this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edge_rt.config.key import Key
from edge_rt.config.schema import Config

_HEADER = b"SQLite format 3\0"


def ledger_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """The path of the ledger if no ledger can be there, or if the file is somebody else's."""
    path = config.ledger.path
    if path is not None:
        with suppress(OSError):  # what may not be looked at is for the daemon to find out
            for reason in _reasons(path):
                yield ("ledger", "path"), reason


def _reasons(path: str) -> Iterator[str]:
    file = Path(path)
    there = next(place for place in (file, *file.parents) if place.exists())
    if file.is_dir() or path.endswith("/") or file.name == "..":
        yield f"{path} is a directory: name a file in it, such as {file / 'ledger.db'}"
    elif there != file and not there.is_dir():
        yield f"{there} is no directory: choose another"
    elif there == file and not file.is_file():
        yield f"{file} is no regular file: choose another"
    elif there == file and not _fits(file):
        yield f"{file} is no SQLite database: name a file of the ledger's own"


def _fits(file: Path) -> bool:
    """Whether it is a database, or empty, or by its name a damaged one, which is put aside."""
    if file.suffix == ".db":
        return True
    with file.open("rb") as content:
        return content.read(len(_HEADER)) in (_HEADER, b"")
