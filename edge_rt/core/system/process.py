"""A process of ours: its memory, its frames, and how it ends with its parent and has no network.

The kernel refuses the network on each `Machine` whose system calls are known.

See prctl(2), seccomp(2) and bpf(2). `python -m edge_rt.core.system.process MODULE ARGUMENT...`
runs a module in a process that opens no connection, whatever a library in it tries, and
`python -m edge_rt.core.system.process --sandbox MEMORY COMMAND...` a program that may compute and
answer, and little else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import runpy
import select
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

LENGTH = 4  # bytes, big-endian, before the content of a frame
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_MODE_FILTER, _TSYNC, _SPEC_ALLOW = 1, 1, 4  # of seccomp(2)
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # of BPF
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # bytes into struct seccomp_data, little-endian
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
_IO_URING_SETUP = 425  # on every architecture; a ring makes sockets without socket(2)
_NO_FAMILY = 0xFFFFFFFF  # of sockets
_X32 = 0x40000000  # of system calls of x86-64's other interface, which have other numbers
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")

_NAMES = {  # events of https://docs.python.org/3/library/audit_events.html
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.getnameinfo",
}
_GIVEN = -1  # the family of a socket that is made of a descriptor
_WAYS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
NOT_RUN, NO_SANDBOX = 127, 126  # exit codes: it cannot be run, or not without sockets
_SANDBOX = "--sandbox"
_FILES = 64  # that may be open
_VARIABLES = ("PATH", "LANG")  # variables that it gets


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


def stat_fields(content: bytes) -> list[bytes]:
    """Return the fields of a /proc/PID/stat, see proc_pid_stat(5), from the state on.

    The program's name before them may hold anything, brackets among it.
    """
    return content.rpartition(b")")[2].split()


def rss_bytes(statm: Path = _STATM) -> int:
    """Return the size of the resident set of this process, in bytes."""
    return int(statm.read_text().split()[1]) * _PAGE


def own_bytes(statm: Path = _STATM) -> int:
    """Return what of it is no file's, in bytes: it cannot be dropped and read again."""
    _, resident, shared, *_ = statm.read_text().split()
    return (int(resident) - int(shared)) * _PAGE


def limit_data(more_bytes: int, statm: Path = _STATM) -> None:
    """Let this process have so many bytes more than now, in use or not, of memory of its own."""
    most = int(statm.read_text().split()[5]) * _PAGE + more_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def limit(memory_bytes: int, files: int) -> None:
    """Limit this process's address space and how many files it has open; it writes none."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def go_first() -> None:
    """Have the kernel kill this process before all others where memory is short."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


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


def frames(source: BinaryIO) -> Iterator[bytes]:
    """Yield the content of each frame until the input ends."""
    while len(length := source.read(LENGTH)) == LENGTH:
        yield source.read(int.from_bytes(length, "big"))


def frame(content: bytes) -> bytes:
    """Return the content with its length before it."""
    return len(content).to_bytes(LENGTH, "big") + content


def write_frame(target: BinaryIO, content: bytes) -> None:
    """Write a frame at once."""
    target.write(frame(content))
    target.flush()


def refuse_network(machine: str | None = None, *, unix: bool = True) -> str | None:
    """Have the kernel refuse all sockets but Unix ones, to this process and its children, for good.

    Without `unix` it refuses those as well.

    Native code is refused as well, with EPERM. Sockets that are open stay so, and accept(2) makes
    others of those that listen. None of the children gains privileges from then on, as with sudo.
    Returns why the kernel does not refuse; None where it does. `machine` is what uname(2) calls
    the architecture, None: this one.
    """
    name = machine or platform.machine()
    known = MACHINES.get(name)
    if known is None or sys.maxsize < 2**32:  # a 32-bit Python makes another machine's calls
        return f"edge_rt does not know the system calls of {name} with this Python"
    libc, instructions = _libc(), socket_filter(known, unix=unix)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        return os.strerror(ctypes.get_errno())
    program = _Program(len(instructions) // 8, instructions)
    for flags in (_TSYNC | _SPEC_ALLOW, _TSYNC):  # kernels before 4.17 do not know the second
        words = (known.seccomp, _SET_MODE_FILTER, flags)
        failed = libc.syscall(*map(ctypes.c_long, words), ctypes.byref(program))
        if not failed:
            return None
    return f"thread {failed} has a filter" if failed > 0 else os.strerror(ctypes.get_errno())


def socket_filter(machine: Machine, *, unix: bool = True) -> bytes:
    """Return the BPF program; each jump leads so many instructions further, if true and if not."""
    lines: Sequence[tuple[int, int, int, int]] = (
        (_LOAD, 0, 0, _ARCH),
        (_IF_EQUAL, 0, 7, machine.arch),  # else refuse: 32-bit calls have other numbers
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 5, 0, _X32),
        (_IF_EQUAL, 4, 0, _IO_URING_SETUP),
        (_IF_EQUAL, 0, 2, machine.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 0, 1, socket.AF_UNIX if unix else _NO_FAMILY),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def stay_offline(listens: bool = False) -> str | None:
    """From now on and for good let this process make and reach only Unix sockets.

    Python raises PermissionError for others, and the kernel refuses them to native code and to
    children. Connections that others open to a socket that `listens` here are as they were.
    Returns why the kernel does not refuse, None where it does.
    """
    sys.addaudithook(partial(_refuse, listens))
    return refuse_network()


def _refuse(listens: bool, event: str, args: tuple[Any, ...]) -> None:
    """Raise with a text that the kernel's refusal does not have.

    What a listening socket accepts becomes a new socket of Python's: the kernel tells those apart.
    """
    made = event == "socket.__new__" and not listens and args[1] not in (_GIVEN, socket.AF_UNIX)
    if made or event in _NAMES or (event in _WAYS and _leads_out(args[0], args[1])):
        what = "socket" if made else event.removeprefix("socket.")
        raise PermissionError(
            f"edge_rt is offline and refuses {what}; "
            "`offline: false` in its configuration allows it"
        )


def _leads_out(sock: socket.socket, address: object) -> bool:
    """Return whether `sock` is to reach `address`; None: whoever connected to it."""
    return address is not None and sock.family != socket.AF_UNIX


def sandboxed(memory_bytes: int, program: Sequence[str]) -> list[str]:
    """Return the command that runs `program` in the sandbox.

    It has no socket but the one on its standard input, `memory_bytes` of address space, and limits
    on what it writes and opens. It ends with the process that started it.
    """
    return [
        sys.executable,
        "-m",
        "edge_rt.core.system.process",
        _SANDBOX,
        str(memory_bytes),
        *program,
    ]


def _become(memory: int, program: Sequence[str]) -> NoReturn:
    """Become the program; exits with NOT_RUN or NO_SANDBOX where that cannot be."""
    end_with_parent(sys.stdin.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which ends this
    if refuse_network(unix=False) is not None:
        sys.exit(NO_SANDBOX)
    limit(memory, _FILES)
    kept = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    try:
        os.execvpe(program[0], [*program], kept)
    except OSError:
        sys.exit(NOT_RUN)


if __name__ == "__main__":
    del sys.argv[0]
    if sys.argv[0] == _SANDBOX:
        _become(int(sys.argv[1]), sys.argv[2:])
    stay_offline()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
