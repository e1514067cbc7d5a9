"""Small pieces of file system work that have to survive a loss of power."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from edge_rt.errors import StoreError


@contextmanager
def store_errors(what: str) -> Generator[None]:
    """Turn the OSErrors of the block into StoreErrors that say `what` failed."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise StoreError(f"{what}: {place}{error.strerror or error}") from error


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold the lock file `path` exclusively; made when missing, released when the holder dies.

    Raises StoreError at once when another process holds it and `wait` is False.
    """
    with store_errors("cannot lock the model store"):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with store_errors("cannot lock the model store"):
            _lock(lock, path, wait)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, path: Path, wait: bool) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise StoreError(f"another edge-rt command is at work there: {path} is locked") from None


def sync(path: Path) -> None:
    """Have the content of the file or directory `path` on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write `path` so that after a crash either the old content is there or the new."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.chmod(0o644)
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def require_space(directory: Path, size: int) -> None:
    """Raise StoreError unless `size` more bytes fit into `directory`."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise StoreError(f"{directory}: {size} bytes are needed, {free} are free on that disk")
