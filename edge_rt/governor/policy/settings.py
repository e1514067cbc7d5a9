"""How the governor goes about it."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.core.limits import Sacrifice


@dataclass(frozen=True)
class Settings:
    """What the user may change in the governor's manners; the defaults suit most boards.

    Guard thresholds are shares of the trip point in degrees Celsius.
    """

    caution: float = 0.80
    hold: float = 0.85
    evacuate: float = 0.975
    hysteresis_c: float = 5.0
    order: tuple[Sacrifice, ...] = ("pace", "model", "queue", "refuse")
    floor_duty: float = 0.2  # pacing goes no lower before the next sacrifice is made
    horizon_s: float = 30.0  # how far ahead heat is looked at
