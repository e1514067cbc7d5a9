"""What the kernel is asked to hold for a process of ours; see prctl(2), seccomp(2) and bpf(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_MODE_FILTER, _TSYNC, _SPEC_ALLOW = 1, 1, 4  # of seccomp(2)
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # of BPF
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # bytes into struct seccomp_data, little-endian
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
_IO_URING_SETUP = 425  # on every architecture; a ring makes sockets without socket(2)
_X32 = 0x40000000  # of system calls of x86-64's other interface, which have other numbers


@dataclass(frozen=True)
class Machine:
    """An architecture: its AUDIT_ARCH_* and the numbers of two system calls."""

    arch: int
    socket: int
    seccomp: int


MACHINES = {
    "x86_64": Machine(0xC000003E, 41, 317),
    "aarch64": Machine(0xC00000B7, 198, 277),
}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def end_with_parent(link: int) -> None:
    """Have the kernel kill this process when the thread that started it ends.

    `link` is a pipe that the parent reads or a socket to it: its hang-up tells that the parent has
    ended already, and then this process exits.
    """
    _libc().prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    poll = select.poll()
    poll.register(link, 0)  # hang-ups are reported all the same
    if poll.poll(0):
        sys.exit("the process that started this one has ended")


def refuse_network(machine: str | None = None) -> str | None:
    """Have the kernel refuse all sockets but Unix ones, to this process and its children, for good.

    Native code is refused as well, with EPERM. Sockets that are open stay so, and accept(2) makes
    others of those that listen. None of the children gains privileges from then on, as with sudo.
    Returns why the kernel does not refuse; None where it does. `machine` is what uname(2) calls
    the architecture, None: this one.
    """
    name = machine or platform.machine()
    known = MACHINES.get(name)
    if known is None or sys.maxsize < 2**32:  # a 32-bit Python makes another machine's calls
        return f"edge_rt does not know the system calls of {name} with this Python"
    libc, instructions = _libc(), socket_filter(known)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        return os.strerror(ctypes.get_errno())
    program = _Program(len(instructions) // 8, instructions)
    for flags in (_TSYNC | _SPEC_ALLOW, _TSYNC):  # kernels before 4.17 do not know the second
        words = (known.seccomp, _SET_MODE_FILTER, flags)
        failed = libc.syscall(*map(ctypes.c_long, words), ctypes.byref(program))
        if not failed:
            return None
    return f"thread {failed} has a filter" if failed > 0 else os.strerror(ctypes.get_errno())


def socket_filter(machine: Machine) -> bytes:
    """The BPF program; each jump leads so many instructions further, if true and if not."""
    lines: Sequence[tuple[int, int, int, int]] = (
        (_LOAD, 0, 0, _ARCH),
        (_IF_EQUAL, 0, 7, machine.arch),  # else refuse: 32-bit calls have other numbers
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 5, 0, _X32),
        (_IF_EQUAL, 4, 0, _IO_URING_SETUP),
        (_IF_EQUAL, 0, 2, machine.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 0, 1, socket.AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
