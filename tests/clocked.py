"""Looks at boards whose clocks are files."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edge_rt.board.readers.clocks import CpuFreq
from edge_rt.board.sampler import BoardSampler


def clocks(low: float, top: float, allowed: float | None = None) -> dict[str, float]:
    """The files of a policy, in GHz; `allowed` is the highest clock that the kernel permits now."""
    return {
        "scaling_min_freq": low,
        "scaling_max_freq": top if allowed is None else allowed,
        "cpuinfo_max_freq": top,
    }


def clocked(sysfs: Path, *policies: dict[str, float]) -> Any:
    """A look at a board without power sensors, whose policies have these files."""
    for number, files in enumerate(policies):
        folder = sysfs / f"devices/system/cpu/cpufreq/policy{number}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, ghz in files.items():
            (folder / name).write_text(f"{ghz * 1e6:.0f}\n")
    sampler = BoardSampler([CpuFreq(sysfs)])
    sampler.step(time.monotonic())
    return SimpleNamespace(sampler=sampler, supply=None)
