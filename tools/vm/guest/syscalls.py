"""The few calls to the kernel that Python has no words for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_FINIT_MODULE = 313  # x86-64
_POWER_OFF = 0x4321FEDC
_MOVE = 1 << 13  # of mount
READ_ONLY = 1


def mount(kind: str, place: str, device: str = "", flags: int = 0) -> None:
    """Mount a file system, of a device if it has one, where a folder is or is made."""
    Path(place).mkdir(exist_ok=True)
    words = (device or kind, place, kind)
    _check(_LIBC.mount(*(word.encode() for word in words), flags, None), place)


def move(place: str, target: str) -> None:
    """Have what is mounted at `place` at `target` instead."""
    _check(_LIBC.mount(place.encode(), target.encode(), None, _MOVE, None), place)


def load(module: Path, parameters: str = "") -> None:
    """Load a module; those that it needs must be there."""
    with module.open("rb") as file:
        status = _LIBC.syscall(_FINIT_MODULE, file.fileno(), parameters.encode(), 0)
    _check(status, str(module))


def power_off() -> None:
    """End the guest at once."""
    _check(_LIBC.reboot(_POWER_OFF), "reboot")


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
