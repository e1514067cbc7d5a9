"""What the governor thinks, for people to see."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_rt.governor.heat import Thermal
from edge_rt.governor.limits import BoundBy, Guard, Limits


@dataclass(frozen=True)
class Report:
    """The governor's view after a step. Watts and degrees; None: not known, or nothing binds.

    `allowances_w` holds what each constraint allows by itself. `forecast_c` is the temperature
    after `horizon_s` more of what is drawn now, right within `band_c` nine times in ten.
    `margin_w` is kept free below a cap for what the forecast of power gets wrong. `missing` has a
    sentence for each sensor that the governor does without.
    """

    guard: Guard = "ok"
    allowance_w: float | None = None
    bound_by: BoundBy | None = None
    allowances_w: dict[BoundBy, float] | None = None
    margin_w: float | None = None
    predicted_w: float | None = None  # at the limits now in force, with the engine at work
    idle_w: float | None = None
    horizon_s: float = 0.0
    forecast_c: float | None = None
    band_c: float | None = None
    guard_in_s: float | None = None  # until the evacuation threshold at what is drawn now
    trusted: bool = False  # whether the thermal forecast is believed
    why: str = "nothing holds back"
    missing: tuple[str, ...] = ()


def report(
    limits: Limits,
    thermal: Thermal | None,
    drawn_w: float,
    horizon_s: float,
    evacuate_c: float | None,
) -> Report:
    """What `limits` and the thermal model say, at `drawn_w` from now on."""
    told = Report(
        guard=limits.guard,
        allowance_w=limits.allowance_w,
        bound_by=limits.bound_by,
        horizon_s=horizon_s,
        why=limits.why,
    )
    if thermal is None:
        return told
    forecast = thermal.forecast(drawn_w, horizon_s)
    return replace(
        told,
        forecast_c=forecast and forecast[0],
        band_c=forecast and forecast[1],
        guard_in_s=None if evacuate_c is None else thermal.seconds_to(evacuate_c, drawn_w),
        trusted=thermal.believed,
    )
