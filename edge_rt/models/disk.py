"""Room and turns on the disk that models are kept on."""

from __future__ import annotations

import errno
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


def is_full(error: StoreError) -> bool:
    """Whether the block of a `store_errors` failed for want of room."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


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


def require_space(directory: Path, size: int) -> None:
    """Raise StoreError unless `size` more bytes fit into `directory`."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise StoreError(f"{directory}: {size} bytes are needed, {free} are free on that disk")
