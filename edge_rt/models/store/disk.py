"""Room and turns on the disk that models are kept on."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from edge_rt.core.errors import StoreError
from edge_rt.core.system.ownership import as_owner, child_ids, owner_of

_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoSpace(StoreError):
    """The disk has less free space than is needed."""


@contextmanager
def store_errors(what: str) -> Generator[None]:
    """Turn the OSErrors of the block into StoreErrors, or NoSpace, that say `what` failed."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        kind = NoSpace if error.errno in _FULL else StoreError
        raise kind(f"{what}: {place}{error.strerror or error}") from error


@contextmanager
def told_when_full(directory: Path) -> Generator[None]:
    """Turn the OSError of a full disk into a NoSpace that names `directory`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoSpace(f"{directory}: {error.strerror}") from error


@contextmanager
def changing(root: Path, *, wait: bool = True) -> Generator[None]:
    """Hold the store at `root`, which is made where it is missing, as the user who owns it.

    Raises StoreError; if `wait` is False also when another process is at it, or another user
    owns it.
    """
    with store_errors("cannot make the model store"):
        if not wait and os.geteuid() == 0 and owner_of(root) is not None:
            raise StoreError(f"{root} is another user's")
    with owned(root):
        user, _ = child_ids()
        acting = "" if user is None else f" as user {user}, whose directory it is in"
        with store_errors(f"cannot make the model store{acting}"):
            root.mkdir(parents=True, exist_ok=True)
        with locked(root / ".lock", wait=wait):
            yield


@contextmanager
def owned(root: Path) -> Generator[None]:
    """Act as the user who owns the store at `root`; see `as_owner`. Raises StoreError."""
    with ExitStack() as stack:
        with store_errors("cannot change the model store"):
            stack.enter_context(as_owner(root))
        yield


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold the lock file `path` exclusively; released when the holder dies.

    It and its folder are made when missing, and may be deleted by the holder; see `clear`. Raises
    StoreError at once when another process holds it and `wait` is False.
    """
    with store_errors("cannot lock the model store"):
        while (lock := _held(path, wait)) is None:
            pass  # who held it before deleted it
    try:
        yield
    finally:
        os.close(lock)


def delete(directory: Path) -> None:
    """Delete a directory with all that it holds, if it exists."""
    if directory.exists():
        shutil.rmtree(directory)


def clear(lock: Path) -> None:
    """Delete the folder of a lock file that is held, which nobody holds from then on."""
    for path in lock.parent.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != lock:
            path.unlink()
    lock.unlink()  # last, for whoever comes next may work here from now on
    with suppress(OSError):
        lock.parent.rmdir()


def _held(path: Path, wait: bool) -> int | None:
    """Return the file, locked.

    None if it was deleted meanwhile: others may hold one of its name.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:  # deleted between the two
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
    except BlockingIOError:
        os.close(lock)
        raise StoreError(f"another edge-rt command is at work there: {path} is locked") from None
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def require_space(directory: Path, size: int) -> None:
    """Raise NoSpace unless `size` more bytes fit into `directory`."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise NoSpace(f"{directory}: {size} bytes are needed, {free} are free on that disk")
