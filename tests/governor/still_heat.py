"""A thermal model that says what it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class StillHeat:
    """Each watt makes `per_w` kelvin above 25 °C, at once and for ever."""

    per_w: float = 5.0
    believed: bool = True
    silent: bool = False
    asked_s: list[float] = field(default_factory=list[float])
    told_w: list[float | None] = field(default_factory=list["float | None"])

    def observe(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> None:
        self.told_w.append(power_w)

    def forecast(self, power_w: float, horizon_s: float) -> tuple[float, float] | None:
        return None if self.silent else (25.0 + self.per_w * power_w, 1.0)

    def most_power_w(self, limit_c: float, horizon_s: float) -> float | None:
        self.asked_s.append(horizon_s)
        return None if self.silent else max(0.0, (limit_c - 25.0) / self.per_w)

    def seconds_to(self, limit_c: float, power_w: float) -> float | None:
        return 60.0 if 25.0 + self.per_w * power_w > limit_c else None
