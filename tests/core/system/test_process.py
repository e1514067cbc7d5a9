"""What the kernel is told to refuse on each architecture, and children that end with parents."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys

import pytest

from edge_rt.core.system.process import MACHINES, socket_filter

ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EPERM
X86_64, AARCH64, I386, ARM = 0xC000003E, 0xC00000B7, 0x40000003, 0x40000028
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
RING = 425
CHILD = """
import sys, time
from edge_rt.core.system.process import end_with_parent
end_with_parent(1)
print("ready", flush=True)
time.sleep(600)
"""


def decided(program: bytes, arch: int, number: int, argument: int) -> int:
    """Return what a BPF program that ends says of a system call."""
    data = struct.pack("=IIQ6Q", number, arch, 0, argument, *[0] * 5)
    lines, at, value = list(struct.iter_unpack("=HBBI", program)), 0, 0
    while True:
        code, true, false, operand = lines[at]
        at += 1
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code in (0x15, 0x35):
            at += true if value == operand or (code == 0x35 and value > operand) else false
        else:
            return operand


@pytest.mark.parametrize(
    ("machine", "arch", "number", "family", "becomes"),
    [
        ("x86_64", X86_64, 41, UNIX, ALLOWED),
        ("x86_64", X86_64, 41, INET, REFUSED),
        ("x86_64", X86_64, 41, INET6, REFUSED),
        ("x86_64", X86_64, 41, NETLINK, REFUSED),
        ("x86_64", X86_64, 41, UNIX | 1 << 32, ALLOWED),  # the kernel reads 32 bits of it
        ("x86_64", X86_64, 0, INET, ALLOWED),
        ("x86_64", X86_64, 198, INET, ALLOWED),
        ("x86_64", X86_64, RING, UNIX, REFUSED),
        ("x86_64", X86_64, 41 | 1 << 30, UNIX, REFUSED),
        ("x86_64", I386, 102, UNIX, REFUSED),
        ("aarch64", AARCH64, 198, UNIX, ALLOWED),
        ("aarch64", AARCH64, 198, INET, REFUSED),
        ("aarch64", AARCH64, 198, NETLINK, REFUSED),
        ("aarch64", AARCH64, 41, INET, ALLOWED),
        ("aarch64", AARCH64, RING, UNIX, REFUSED),
        ("aarch64", ARM, 281, INET, REFUSED),
    ],
)
def test_sockets_other_than_unix_ones_are_refused(
    machine: str, arch: int, number: int, family: int, becomes: int
) -> None:
    assert decided(socket_filter(MACHINES[machine]), arch, number, family) == becomes


@pytest.mark.parametrize("family", [UNIX, INET, INET6, NETLINK])
@pytest.mark.parametrize(
    ("machine", "arch", "number"), [("x86_64", X86_64, 41), ("aarch64", AARCH64, 198)]
)
def test_without_unix_every_socket_is_refused(
    machine: str, arch: int, number: int, family: int
) -> None:
    program = socket_filter(MACHINES[machine], unix=False)
    assert decided(program, arch, number, family) == REFUSED
    assert decided(program, arch, 0, family) == ALLOWED


def test_a_child_of_a_parent_that_has_ended_exits() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "the process that started this one has ended\n")
