"""Namespaces of one's own: no network, and a file system in which one directory can be written."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_NEW = 0x10000000 | 0x00020000 | 0x40000000 | 0x08000000  # user, mounts, network, IPC
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1


class _Change(ctypes.Structure):
    """The kernel's struct mount_attr."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user")]


def shut(home: str) -> bool:
    """Leave the network, and make everything but `home` read-only; False where that is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW) != 0:
        return False
    with suppress(OSError):
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/gid_map", f"{group} {group} 1")
        _write("/proc/self/uid_map", f"{user} {user} 1")
    return _mounts(libc, home.encode())


def _mounts(libc: ctypes.CDLL, home: bytes) -> bool:
    done = libc.mount(None, b"/", None, _REC | _PRIVATE, None) == 0
    done = done and libc.mount(home, home, None, _BIND | _REC, None) == 0
    done = done and _change(libc, b"/", _Change(set=_READ_ONLY), _AT_RECURSIVE)
    done = done and _change(libc, home, _Change(clear=_READ_ONLY), 0)
    os.chdir(home)  # what was the same place before is not the writable one
    return done


def _change(libc: ctypes.CDLL, path: bytes, change: _Change, flags: int) -> bool:
    size = ctypes.sizeof(change)
    return libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, flags, ctypes.byref(change), size) == 0


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123 - pathlib is not loaded
        file.write(text)
