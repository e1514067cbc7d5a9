"""What the governor asks of a thermal model, and the watts that heat allows."""

from __future__ import annotations

from typing import Protocol


class Thermal(Protocol):
    """A model of the board's temperature that learns from what it is told."""

    @property
    def believed(self) -> bool:
        """Whether its forecasts have come true lately."""
        ...

    def observe(
        self, time_s: float, temp_c: float | None, power_w: float | None, fan: float | None
    ) -> None:
        """Take one look at the board; what cannot be read is None."""
        ...

    def forecast(self, power_w: float, horizon_s: float) -> tuple[float, float]:
        """Temperature after `horizon_s` at `power_w`, and the half-width of its error band."""
        ...

    def peak_c(self, power_w: float, horizon_s: float) -> tuple[float, float]:
        """Highest temperature until then, and the half-width of its error band."""
        ...

    def most_power_w(self, limit_c: float, horizon_s: float) -> float:
        """The most constant watts with which no temperature until then exceeds `limit_c`."""
        ...

    def seconds_to(self, limit_c: float, power_w: float) -> float | None:
        """Seconds until `limit_c` is reached at `power_w`; None: never."""
        ...
