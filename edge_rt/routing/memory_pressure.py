"""Memory pressure: how full a plan would make the memory."""

from __future__ import annotations

import math

FULL = 0.95  # from there on a plan cannot be had


def cpq(needed_bytes: float, usable_bytes: float) -> float:
    """Return the memory pressure: 1 is full; infinite where nothing is usable.

    Our formula, after CPQ of QEIL v2 (arXiv 2602.06057): what must be in memory at once, over the
    memory less what is kept for others.
    """
    return needed_bytes / usable_bytes if usable_bytes > 0 else math.inf


def feasible(pressure: float) -> bool:
    """Return whether a plan of that CPQ can be had."""
    return pressure < FULL
