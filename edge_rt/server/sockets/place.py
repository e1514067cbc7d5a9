"""The place in the file system where a Unix socket goes."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from edge_rt.errors import ListenError
from edge_rt.lock import take

_PROBE_S = 1.0  # a daemon whose queue is not full accepts at once


def safe_directory(directory: Path) -> None:
    """Make sure that only root and this user decide what is in `directory`.

    Makes it when it is missing, closed to others below a directory that everybody may write to.
    Its parents are for whoever owns them to make.
    """
    with contextlib.suppress(FileExistsError):
        try:
            directory.mkdir(mode=0o700)
        except FileNotFoundError:
            raise ListenError(
                f"the socket's directory {directory} cannot be made, for {directory.parent} is "
                "missing: make that first, or choose another path for the socket"
            ) from None
        if not _open_to_all(directory.parent.stat()):
            directory.chmod(0o755)  # who may talk to the daemon is for the socket's mode to say
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise _unsafe(directory, "it is a symbolic link or a file")
    if info.st_uid not in (0, os.geteuid()):
        raise _unsafe(directory, f"it belongs to user {info.st_uid}")
    if _open_to_all(info) and not info.st_mode & stat.S_ISVTX:
        raise _unsafe(directory, "everybody may remove and replace files in it")


def _open_to_all(info: os.stat_result) -> bool:
    return bool(info.st_mode & stat.S_IWOTH)


def _unsafe(directory: Path, reason: str) -> ListenError:
    return ListenError(f"{directory} is no safe place for a socket: {reason}; choose another")


def hold_lock(path: Path) -> int:
    """Hold the lock beside `path`: of two daemons that start at once, one gets it."""
    try:
        return take(Path(f"{path}.lock"))
    except BlockingIOError:
        raise ListenError(f"another daemon runs or starts at {path}: stop it first") from None


def clear_stale(path: Path) -> None:
    """Remove the socket of a daemon that is gone; refuse everything else that is at `path`."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"{path} is there and no socket: move it away or choose another path")
    if _answers(path):
        raise ListenError(f"another daemon answers at {path}: stop it first")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (BlockingIOError, TimeoutError):
            return True  # its queue is full, but somebody owns it
    return True


def identity(path: Path) -> tuple[int, int] | None:
    """What tells the file at `path` from one put there later; None when there is none."""
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
