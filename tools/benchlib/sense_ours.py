"""Our readers as the daemon's sampler reads them: values, errors, history and energy kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchlib.sense_probe import ALL, GROUPS, Sweep, run
from edge_rt.board.discovery import Roots, discover
from edge_rt.board.readers.base import BaseReader
from edge_rt.board.sampler import BoardSampler

_STEP_S = 10.0  # longer than any reader's period, so that each step reads all
_GROUP = {
    "ina3221": "rails",
    "thermal": "zones",
    "fan": "fan",
    "devfreq": "gpu",
    "cpufreq": "cpu",
    "cpu-load": "cpu",
    "memory": "memory",
}


class Clock:
    """Stands still but for what a sweep adds."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def roots(root: Path) -> Roots:
    """Where the board below `root` is read."""
    return Roots(root / "sys", root / "proc", root / "dev")


def sweeps(root: Path) -> tuple[dict[str, Sweep], dict[str, int]]:
    """A sweep of all readers, and one of each group; figures are channels.

    Exits where a channel tells nothing: reading it is another matter then.
    """
    clock = Clock()
    readers = discover(roots(root), clock=clock).readers
    grouped = {g: [r for r in readers if _GROUP.get(r.name) == g] for g in GROUPS}
    chosen: dict[str, Sequence[BaseReader]] = {ALL: readers, **grouped}
    found = {group: _sweep(some, clock) for group, some in chosen.items()}
    for _ in range(2):  # loads need two looks
        found[ALL]()
    silent = [f"{r.name}: {error}" for r in readers for error in r.errors if error is not None]
    if silent:
        sys.exit("channels without a value: " + "; ".join(silent))
    return found, {group: sum(len(r.channels) for r in some) for group, some in chosen.items()}


def _sweep(readers: Sequence[BaseReader], clock: Clock) -> Sweep:
    sampler = BoardSampler(readers, clock)

    def sweep() -> None:
        clock.now_s += _STEP_S
        if sampler.step(clock.now_s) != len(readers):
            sys.exit("not every reader was due")

    return sweep


if __name__ == "__main__":
    run(sweeps, sys.argv[1:])
