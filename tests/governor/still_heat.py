"""A thermal model that says what it is told to."""

from __future__ import annotations

from typing_extensions import override

from edge_rt.thermal.course import Forecast
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior


class StillHeat(ThermalModel):
    """Each watt makes `per_w` kelvin above 25 °C, at once and for ever."""

    def __init__(self, per_w: float = 5.0, believed: bool = True, silent: bool = False) -> None:
        super().__init__(ThermalPrior.generic(10.0, False))
        self.per_w, self.silent, self._sure = per_w, silent, believed
        self.asked_s = list[float]()
        self.told_w = list[float | None]()

    @property
    @override
    def believed(self) -> bool:
        return self._sure

    @override
    def observe(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> None:
        self.told_w.append(power_w)

    @override
    def forecast(self, power_w: float, horizon_s: float) -> Forecast | None:
        return None if self.silent else Forecast(25.0 + self.per_w * power_w, 1.0)

    @override
    def most_power_w(self, limit_c: float, horizon_s: float) -> float | None:
        self.asked_s.append(horizon_s)
        return None if self.silent else max(0.0, (limit_c - 25.0) / self.per_w)

    @override
    def seconds_to(self, limit_c: float, power_w: float) -> float | None:
        return 60.0 if 25.0 + self.per_w * power_w > limit_c else None
