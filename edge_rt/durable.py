"""Files that are whole after a power cut."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

READABLE = 0o644  # by all users


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `path` so that after a crash either the old content is there or the new.

    Makes its folder where that is missing. Raises OSError where the disk refuses; nothing is left
    of the new content then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync(path.parent)


def plain_name(text: str) -> str:
    """`text` as part of a file's name: an underscore for whatever could mean something there."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")


def sync(path: Path) -> None:
    """Have the content of the file or directory `path` on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
