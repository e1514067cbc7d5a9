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
from typing import Any, TypeVar

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
FREE = CoreAvoidance()._able and len(CORES) == os.cpu_count() > 1
free = pytest.mark.skipif(not FREE, reason="needs Linux 6.2, two cores, and all of them")
T = TypeVar("T")


def in_thread(job: Callable[[], T]) -> T:
    """What `job` returns in a thread of its own, as cores are a thread's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(job).result()


def ran_on(proc: Path, pid: int, core: str) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "stat").write_text(f"{pid} (an (odd) name) S {'0 ' * 35}{core} 0 0")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Of processes that ran on the first core and the last, on none that is here, and nowhere."""
    for pid, core in enumerate([f"{min(CORES)}", f"{max(CORES)}", "4095", "?"], 1):
        ran_on(tmp_path, pid, core)
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "stat").write_text("5 (short) S 0")
    return tmp_path


def after(avoidance: CoreAvoidance, *steps: int | set[int] | None) -> set[int]:
    """The cores of a thread that avoided the core of some processes; a set: another set those."""

    def run() -> set[int]:
        for step in steps:
            if isinstance(step, set):
                os.sched_setaffinity(0, step)
            else:
                avoidance.avoid(step)
        return os.sched_getaffinity(0)

    return in_thread(run)


@free
def test_a_core_is_left_to_who_runs_there(proc: Path) -> None:
    first, last = {min(CORES)}, {max(CORES)}
    assert after(CoreAvoidance(proc), 1) == CORES - first
    assert after(CoreAvoidance(proc), None) == CORES
    assert after(CoreAvoidance(proc), 1, 2) == CORES - last
    assert after(CoreAvoidance(proc), 1, 3) == after(CoreAvoidance(proc), 1, 2, None) == CORES
    for nothing in (4, 5, 99):
        assert after(CoreAvoidance(proc), 1, nothing) == CORES - first
        assert after(CoreAvoidance(proc), 1, nothing, None) == CORES
    assert os.sched_getaffinity(0) == CORES


@free
def test_cores_that_something_else_has_set_are_left_as_they_are(proc: Path) -> None:
    first, last = {min(CORES)}, {max(CORES)}
    assert after(CoreAvoidance(proc), first, 2) == first
    assert after(CoreAvoidance(proc), first, 1, None) == first
    assert after(CoreAvoidance(proc), 1, first, 1, 2, None) == first
    assert after(CoreAvoidance(proc), 2, last, 2, None) == last


@free
@pytest.mark.parametrize(
    "how", [{"release": "5.15.148-tegra"}, {"release": "6.1.0"}, {"online": 1}]
)
def test_no_core_is_left_where_it_might_not_come_back(proc: Path, how: dict[str, Any]) -> None:
    if "online" in how:
        (proc / "online").write_text(f"{min(CORES)}")
        how = {"online": proc / "online"}
    assert after(CoreAvoidance(proc, **how), 1) == CORES


@free
@pytest.mark.parametrize("late", [False, True])
def test_a_thread_that_was_started_meanwhile_has_all_cores(proc: Path, late: bool) -> None:
    avoidance = CoreAvoidance(proc)

    def lifted() -> set[int]:
        if late:
            os.sched_setaffinity(0, CORES - {min(CORES)})  # as its parent had when it was started
        avoidance.lift()
        return os.sched_getaffinity(0)

    def run() -> set[int]:
        avoidance.avoid(1)
        if late:
            avoidance.avoid(None)
        return in_thread(lifted)

    assert in_thread(run) == CORES


@free
def test_an_engine_has_all_cores_wherever_the_front_runs(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AVOIDANCE, "_proc", proc)

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
