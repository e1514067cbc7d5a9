"""What the kernel is told to refuse on each architecture, and children that end with parents."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from edge_rt.core.process import CORES as AVOIDANCE
from edge_rt.core.process import MACHINES, CoreAvoidance, socket_filter
from edge_rt.engine.process import spawn

ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EPERM
X86_64, AARCH64, I386, ARM = 0xC000003E, 0xC00000B7, 0x40000003, 0x40000028
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
RING = 425


def decided(program: bytes, arch: int, number: int, argument: int) -> int:
    """What a BPF program that ends says of a system call."""
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


CHILD = """
import sys, time
from edge_rt.core.process import end_with_parent
end_with_parent(1)
print("ready", flush=True)
time.sleep(600)
"""


def test_a_child_of_a_parent_that_has_ended_exits() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", CHILD], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "the process that started this one has ended\n")


CORES = os.sched_getaffinity(0)
T = TypeVar("T")


def in_thread(job: Callable[[], T]) -> T:
    """What `job` returns in a thread of its own, as cores are a thread's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(job).result()


def ran_on(proc: Path, pid: int, core: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (an (odd) name) S {'0 ' * 35}{core} 0 0")


@pytest.fixture
def avoidance(tmp_path: Path) -> CoreAvoidance:
    """Of processes 1 to 4, of which the first two ran on cores of this machine."""
    for pid, core in enumerate([f"{min(CORES)}", f"{max(CORES)}", "4095", "?"], 1):
        ran_on(tmp_path, pid, core)
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "stat").write_text("5 (short) S 0")
    return CoreAvoidance(tmp_path)


def test_a_core_is_left_to_who_runs_there(avoidance: CoreAvoidance) -> None:
    def after(*pids: int | None) -> set[int]:
        for pid in pids:
            avoidance.avoid(pid)
        return os.sched_getaffinity(0)

    others = CORES - {min(CORES)} or CORES
    assert in_thread(lambda: after(1)) == others
    assert in_thread(lambda: after(None)) == CORES
    assert in_thread(lambda: after(1, 2)) == (CORES - {max(CORES)} or CORES)
    assert in_thread(lambda: after(None, 1, None)) == CORES
    assert in_thread(lambda: after(1, 3)) == CORES
    for nothing in (4, 5, 99):
        avoidance = CoreAvoidance(avoidance._proc)
        assert in_thread(lambda nothing=nothing: after(1, nothing)) == others
    assert os.sched_getaffinity(0) == CORES


@pytest.mark.skipif(len(CORES) < 2, reason="there is one core")
def test_cores_that_something_else_gave_are_left_as_they_are(avoidance: CoreAvoidance) -> None:
    def run() -> tuple[set[int], set[int]]:
        avoidance.avoid(1)
        os.sched_setaffinity(0, {min(CORES)})
        avoidance.avoid(1)
        kept = os.sched_getaffinity(0)
        avoidance.avoid(None)
        return kept, os.sched_getaffinity(0)

    assert in_thread(run) == ({min(CORES)}, {min(CORES)})


def test_a_thread_that_was_started_meanwhile_has_all_cores(avoidance: CoreAvoidance) -> None:
    def lifted() -> set[int]:
        avoidance.lift()
        return os.sched_getaffinity(0)

    def run() -> set[int]:
        avoidance.avoid(1)
        return in_thread(lifted)

    assert in_thread(run) == CORES
    assert in_thread(lifted) == CORES


def test_an_engine_has_all_cores_wherever_the_front_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran_on(tmp_path, 1, f"{min(CORES)}")
    monkeypatch.setattr(AVOIDANCE, "_proc", tmp_path)

    def cores() -> str:
        AVOIDANCE.avoid(1)
        program = "import os, sys; os.write(int(sys.argv[1]), b'%r' % os.sched_getaffinity(0))"
        read, write = os.pipe()

        async def run() -> None:
            process = await spawn([sys.executable, "-c", program], write)
            await process.wait()

        asyncio.run(run())
        os.close(write)
        with os.fdopen(read) as said:
            return said.read()

    assert in_thread(cores) == repr(CORES)
