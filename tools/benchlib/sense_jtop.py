"""What jtop reads at each of its samples, by its own code, for the figures that we read too.

Started with the Python of the environment that holds jetson-stats, never with ours. Left out, in
its favour, is what it does beside that: it starts `swapon` and looks at each process and engine.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from benchlib.moved import move
from benchlib.sense_probe import ALL, Sweep, run


def sweeps(root: Path) -> tuple[dict[str, Sweep], dict[str, int]]:
    """A sweep of all groups, and one of each; figures are the numbers in what they give."""
    logging.disable(logging.WARNING)  # about what it does not read, once
    groups = _groups(root)

    def everything() -> None:
        for sweep in groups.values():
            sweep()

    numbers = {group: _numbers(sweep()) for group, sweep in groups.items()}
    if silent := [group for group, count in numbers.items() if not count]:
        sys.exit(f"jtop found nothing to read of: {', '.join(silent)}")
    return {ALL: everything, **groups}, {ALL: sum(numbers.values()), **numbers}


def _groups(root: Path) -> dict[str, Callable[[], object]]:
    move("jtop", root)
    from jtop.core.cpu import CPUService  # pyright: ignore[reportMissingImports]
    from jtop.core.fan import FanService  # pyright: ignore[reportMissingImports]
    from jtop.core.gpu import GPUService  # pyright: ignore[reportMissingImports]
    from jtop.core.memory import meminfo  # pyright: ignore[reportMissingImports]
    from jtop.core.power import PowerService  # pyright: ignore[reportMissingImports]
    from jtop.core.temperature import TemperatureService  # pyright: ignore[reportMissingImports]

    return {
        "rails": PowerService().get_status,
        "zones": TemperatureService().get_status,
        "fan": FanService({}).get_status,
        "gpu": GPUService().get_status,
        "cpu": CPUService().get_status,
        "memory": meminfo,
    }


def _numbers(value: object) -> int:
    if isinstance(value, dict):
        return sum(map(_numbers, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(_numbers, value))
    return int(isinstance(value, (int, float)) and not isinstance(value, bool))


if __name__ == "__main__":
    run(sweeps, sys.argv[1:])
