"""How near a plan comes to filling the memory, and what that costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

EASY = 0.8  # below it memory costs nothing extra
FULL = 0.95  # from there on a plan cannot be had
KAPPA = 1.0


@dataclass(frozen=True)
class Demand:
    """Bytes that must be in memory at once, all models together where they share one memory."""

    weights_bytes: float
    kv_bytes: float
    activation_bytes: float = 0.0
    workspace_bytes: float = 0.0

    @property
    def bytes(self) -> float:
        """The sum."""
        return self.weights_bytes + self.kv_bytes + self.activation_bytes + self.workspace_bytes


def cpq(demand: Demand, usable_bytes: float, fragmentation: float = 0.0) -> float:
    """Memory pressure: 1 is full; infinite where nothing is usable.

    `usable_bytes` is the memory less what is kept for others; `fragmentation` the share of it
    that is lost between allocations. Our formula, after CPQ of QEIL v2: D / (U·(1 - φ)).
    """
    room = usable_bytes * (1.0 - fragmentation)
    return demand.bytes / room if room > 0 else math.inf


def feasible(pressure: float) -> bool:
    """Whether a plan of that CPQ can be had."""
    return pressure < FULL


def penalty(pressure: float, kappa: float = KAPPA) -> float:
    """The factor on energy, 1 or more; infinite where the plan cannot be had.

    Our formula, after QEIL v2: 1 + κ·max(0, CPQ - 0.8) / (1 - CPQ).
    """
    if not feasible(pressure):
        return math.inf
    return 1.0 + kappa * max(0.0, pressure - EASY) / (1.0 - pressure)
