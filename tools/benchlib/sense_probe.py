"""What the probes of both sides share: how a sweep is timed, and what a probe prints.

A probe runs in a process of its own, the peer's with another Python that has nothing of ours.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ALL = "all"
GROUPS = ("rails", "zones", "fan", "gpu", "cpu", "memory")

_WARM_UP = 20  # sweeps that do not count

Sweep = Callable[[], object]


def cpu_s(
    sweep: Sweep, batches: int, sweeps: int, clock: Callable[[], float] = time.process_time
) -> float:
    """CPU seconds of this process for one sweep, the median of `batches` means over `sweeps`."""
    for _ in range(_WARM_UP):
        sweep()
    return statistics.median(_batch(sweep, sweeps, clock) for _ in range(batches))


def _batch(sweep: Sweep, sweeps: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(sweeps):
        sweep()
    return (clock() - start) / sweeps


def run(
    make: Callable[[Path], tuple[Mapping[str, Sweep], Mapping[str, int]]], argv: list[str]
) -> None:
    """Print as JSON `cpu_s` and `figures` by group, for the arguments ROOT BATCHES SWEEPS.

    `make` gives the sweeps of the board below a root and how many figures each reads.
    """
    root, batches, sweeps = Path(argv[0]), int(argv[1]), int(argv[2])
    by_group, figures = make(root)
    found = {group: cpu_s(sweep, batches, sweeps) for group, sweep in by_group.items()}
    json.dump({"cpu_s": found, "figures": dict(figures)}, sys.stdout)
