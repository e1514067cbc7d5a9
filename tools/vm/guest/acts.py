"""Ways to try what a service may not do. Standard library only, for x86-64."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import stat
from contextlib import suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_X86_64 = {"mount": 165, "swapon": 167, "reboot": 169, "init_module": 175, "kexec_load": 246}
_X86_64 |= {"add_key": 248, "unshare": 272, "perf_event_open": 298, "setns": 308, "bpf": 321}
_X86_64 |= {"syslog": 103, "personality": 135, "ptrace": 101, "clock_settime": 227}
_X86_64 |= {"sethostname": 170, "mknod": 133, "iopl": 172}
_ATTACH = 16  # of ptrace
NO_RANDOM = 0x0040000  # of personality
NAMESPACES = {
    "mount": 0x00020000,
    "control group": 0x02000000,
    "host name": 0x04000000,
    "IPC": 0x08000000,
    "user": 0x10000000,
    "process": 0x20000000,
    "network": 0x40000000,
}
OPENED = ("/etc", "/usr", "/opt", "/srv", "/var/lib")
_OPEN = "edge-rt-vm-open"  # a folder that file permissions give to everybody
SECRET = Path("/tmp/edge-rt-vm-secret")
NODE = Path("/dev/edge-rt-vm-node")  # a device that file permissions give to everybody
_SERIAL = os.makedev(4, 64)


def prepare() -> None:
    """Allow by file permissions what these alone allow everybody, as far as the place lets it."""
    for folder in OPENED:
        with suppress(OSError):
            Path(folder, _OPEN).mkdir(exist_ok=True)
            Path(folder, _OPEN).chmod(0o777)
    with suppress(OSError):
        os.mknod(NODE, stat.S_IFCHR | 0o666, _SERIAL)
        NODE.chmod(0o666)
    SECRET.write_text("x")
    SECRET.chmod(0o644)


def call(name: str, *arguments: int | bytes | None) -> None:
    """A system call by its name in _X86_64; raises OSError."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if _LIBC.syscall(ctypes.c_long(_X86_64[name]), *words) < 0:
        raise OSError(ctypes.get_errno(), name)


def write(folder: str) -> None:
    """A file below `folder`, in the place that `prepare` made."""
    Path(folder, _OPEN, "file").write_text("x")


def write_own(variable: str) -> None:
    """A file in the first folder that systemd names in `variable`."""
    file = Path(os.environ[variable], "edge-rt-vm-file")
    file.write_text("x")
    file.unlink()


def make_setuid() -> None:
    """A program that would run as its owner."""
    file = Path(os.environ.get("STATE_DIRECTORY", "/run"), "edge-rt-vm-setuid")
    file.touch()
    try:
        file.chmod(0o4755)
    finally:
        file.unlink()


def open_node() -> None:
    """NODE, as anybody may by its mode."""
    os.close(os.open(NODE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))


def trace_a_child() -> None:
    """File permissions and Yama let a process trace its child."""
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        call("ptrace", _ATTACH, child, 0, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def map_code() -> None:
    """Memory that can be written and run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def real_time() -> None:
    """A priority above all that is shared fairly."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def family(name: str) -> None:
    """A socket of an address family by its name."""
    kind = socket.SOCK_RAW if name in ("AF_NETLINK", "AF_PACKET") else socket.SOCK_DGRAM
    socket.socket(getattr(socket, name), kind).close()
