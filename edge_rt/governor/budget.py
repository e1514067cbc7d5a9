"""What the user allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Period = Literal["hour", "day"]
PERIOD_S: dict[Period, float] = {"hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True)
class Budget:
    """Caps that hold at all times; None: no such cap.

    Power is the supply's mean over any `power_window_s`; a single reading may come up to
    `peak_ratio` times the cap. Energy is the supply's over each clock hour or UTC day.
    """

    power_w: float | None = None
    power_window_s: float = 1.0
    peak_ratio: float = 1.5
    temp_c: float | None = None
    energy_j: float | None = None
    energy_period: Period = "day"

    @property
    def empty(self) -> bool:
        """Whether nothing is capped; the board's own trip points hold all the same."""
        return self.power_w is None and self.temp_c is None and self.energy_j is None
