"""What the governor thinks, for people to see."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.core.limits import BoundBy, Guard
from edge_rt.governor.policy.heat_allowance import Thermal


@dataclass(frozen=True)
class Ahead:
    """What is ahead of the board if it goes on drawing as it does now; None: not known.

    `forecast_c` is the temperature after `horizon_s`, right within `band_c` nine times in ten.
    """

    horizon_s: float = 0.0
    forecast_c: float | None = None
    band_c: float | None = None
    guard_in_s: float | None = None  # until the evacuation threshold
    trusted: bool = False  # whether the thermal forecast is believed


@dataclass(frozen=True)
class Report(Ahead):
    """The governor's view after a step. Watts and degrees; None: not known, or nothing binds.

    `allowances_w` holds what each constraint allows by itself. `margin_w` is kept free below a
    cap for what the forecast of power gets wrong. `missing` has a sentence for each sensor that
    the governor does without.
    """

    guard: Guard = "ok"
    allowance_w: float | None = None
    bound_by: BoundBy | None = None
    allowances_w: dict[BoundBy, float] | None = None
    margin_w: float | None = None
    predicted_w: float | None = None  # at the limits now in force, with the engine at work
    idle_w: float | None = None
    why: str = "nothing holds back"
    missing: tuple[str, ...] = ()


def ahead(
    thermal: Thermal | None, power_w: float, horizon_s: float, evacuate_c: float | None
) -> Ahead:
    """What `thermal` says of `power_w` from now on."""
    if thermal is None:
        return Ahead(horizon_s)
    forecast = thermal.forecast(power_w, horizon_s)
    return Ahead(
        horizon_s,
        forecast_c=forecast and forecast[0],
        band_c=forecast and forecast[1],
        guard_in_s=None if evacuate_c is None else thermal.seconds_to(evacuate_c, power_w),
        trusted=thermal.believed,
    )
