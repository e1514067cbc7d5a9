"""How many threads the engine may use, from the kernel's files about the processor."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from edge_rt.board.readers.sysfs import first_integer, first_line

CPUS = Path("/sys/devices/system/cpu")


def usable_cores(cpus: Path = CPUS, allowed: Collection[int] | None = None) -> int:
    """Return the most threads that are worth while on the CPUs `allowed`, or this process's own.

    Second threads of a core give ggml nothing. A pass is over when its slowest thread is: on a
    processor with cores of several kinds the slow ones count only where there are enough of them
    to make up for what the fast ones then wait.
    """
    speeds = sorted(_cores(cpus, os.sched_getaffinity(0) if allowed is None else allowed).values())
    speeds.reverse()
    return max(range(1, len(speeds) + 1), key=lambda count: count * speeds[count - 1])


def _cores(cpus: Path, allowed: Collection[int]) -> dict[str, int]:
    """The speed of each core, by the numbers of its CPUs; equal where the kernel tells none."""
    found: dict[str, int] = {}
    for number in allowed:
        cpu = cpus / f"cpu{number}"
        core = first_line(cpu / "topology" / "thread_siblings_list") or str(number)
        found[core] = first_integer(cpu / "cpu_capacity") or 1
    return found
