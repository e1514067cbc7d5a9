"""Asking a Raspberry Pi's firmware by its mailbox device."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

from edge_rt.board.readers.sysfs import open_regular

_TEXT = 1024
_HEAD = struct.Struct("=6I")  # size, request or status, tag, size of text, length, error
_GENERAL_COMMAND = 0x00030080
_SUCCESS = 0x80000000
_REQUEST = 0xC0006400 | struct.calcsize("P") << 16  # _IOWR(100, 0, char *): 0xC0086400 on 64 bit

Ioctl = Callable[[int, int, bytearray], int]


def libc_call(name: str) -> Ioctl:
    """Return the C library's ioctl, or another function that is called like it; raises OSError.

    Other threads run meanwhile. With Python's own ioctl they stand still when the buffer is
    longer than 1024 bytes, as a message is: for the 23 ms that a sweep of the rails takes.
    """
    import ctypes  # needed on few boards

    call = ctypes.CDLL(None, use_errno=True)[name]
    # The third argument is variadic, which on 32 and 64 bit Arm and x86 Linux makes no difference.
    call.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)

    def checked(fd: int, request: int, message: bytearray) -> int:
        result = call(fd, request, (ctypes.c_char * len(message)).from_buffer(message))
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    return checked


class Mailbox:
    """The property mailbox /dev/vcio, which group `video` may open.

    A message is 32-bit words: its size, the status, then one tag (its id, the size of its text,
    the answer's length, the command's error, the text) and a zero word.
    """

    def __init__(self, device: Path = Path("/dev/vcio"), ioctl: Ioctl | None = None) -> None:
        self.source = str(device)
        self._device = device
        self._ioctl = ioctl or libc_call("ioctl")
        self._fd = -1

    def ask(self, command: str) -> str:
        """Return the firmware's answer, lines parted by newlines."""
        message = _message(command)
        try:
            if self._fd < 0:
                self._fd = os.open(self._device, os.O_RDONLY | os.O_CLOEXEC)
            self._ioctl(self._fd, _REQUEST, message)
        except OSError:
            self.close()
            raise
        return _answer(message)

    def close(self) -> None:
        """Close the device; the next command opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class FirmwareFiles:
    """A folder with one file for each command, as a simulated board has in place of the device."""

    def __init__(self, folder: Path) -> None:
        self.source = str(folder)
        self._folder = folder

    def ask(self, command: str) -> str:
        """Return the content of the file that is named like the command."""
        with open(self._folder / command, errors="replace", opener=open_regular) as file:
            return file.read()

    def close(self) -> None:
        """Do nothing: no file is held between commands."""


Firmware = Mailbox | FirmwareFiles


def _message(command: str) -> bytearray:
    text = command.encode()
    size = _HEAD.size + _TEXT + 4
    message = bytearray(size)
    _HEAD.pack_into(message, 0, size, 0, _GENERAL_COMMAND, _TEXT, 0, 0)
    message[_HEAD.size : _HEAD.size + len(text)] = text
    return message


def _answer(message: bytearray) -> str:
    status = _HEAD.unpack_from(message)[1]
    if status != _SUCCESS:
        raise OSError(f"the firmware refused the message: status {status:#x}")
    text = bytes(message[_HEAD.size : _HEAD.size + _TEXT]).rstrip(b"\0")
    return text.replace(b"\0", b"\n").decode(errors="replace")


def failure(firmware: Firmware, error: OSError) -> str:
    """Return why a firmware gave no answer, and which users may ask it."""
    who = "; members of its group, mostly video, may" if isinstance(error, PermissionError) else ""
    return f"{firmware.source}: {error.strerror or error}{who}"


def refusal(answer: str) -> str | None:
    """Return the firmware's message where it does not know the command; else None."""
    if "error=" not in answer:
        return None
    return answer.partition("error_msg=")[2].strip().strip('"') or answer.strip()
