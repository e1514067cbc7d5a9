"""The governor's view and its reasons, for people, and its state for clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import BoundBy, Limits, Observation
from edge_rt.core.reports.governor import (
    BudgetState,
    GovernorState,
    KnobState,
    LimitsState,
)
from edge_rt.governor.budget import PowerBounds
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.knobs.knob import Value
from edge_rt.governor.policy.guard import GuardState
from edge_rt.governor.policy.usage import UP_AT
from edge_rt.thermal.model import ThermalModel

NOTHING = "nothing holds back"


def why(
    limits: Limits,
    seen: Observation,
    subject: str,
    guard: GuardState,
    idle_w: float,
    *,
    cores: int,
    asked: bool,
    slowed_hz: float | None = None,
) -> tuple[str, bool]:
    """Return one sentence, without full stop, for what matters most in `limits`.

    It says whether that slows answers.

    `asked` tells whether the threads are not the governor's choice; `slowed_hz` is the clock
    where that is kept below its top.
    """
    if limits.guard == "evacuate":
        return _stopped(seen, guard), True
    pace = _pace(limits, seen, subject, idle_w, _at(slowed_hz))
    parts = [*pace, *_taken(limits), *_heat(limits, seen, guard)]
    if not parts and slowed_hz is not None:
        parts = [f"{subject} allows {thread_count(limits.threads)}{_at(slowed_hz)}"]
    if parts:
        return "; ".join(parts), True
    if limits.threads >= cores:
        return NOTHING, False
    if asked:
        are = "is" if limits.threads == 1 else "are"
        return f"{thread_count(limits.threads)} of {cores} {are} asked for", False
    return _fewer(limits, seen, subject, cores)


def subject(bounds: PowerBounds, budget: BudgetConfig, sag: str | None = None) -> str:
    """Return what sets the allowance, as the beginning of a sentence.

    `sag` is what lowers the cap.
    """
    energy = bounds.energy
    if bounds.by == "power_w" and sag is not None:
        return sag
    if bounds.by == "power_w" and budget.power_w is not None:
        return f"the power cap of {budget.power_w:.3g} W"
    if bounds.by == "energy_j" and energy is not None:
        return f"making {_joules(energy.left_j)} last for {_span(energy.period_left_s)}"
    return "the board" if bounds.limit_c is None else f"staying below {bounds.limit_c:.0f} °C"


def missing(
    budget: BudgetConfig, seen: Observation, heat: bool, frozen_w: float | None = None
) -> Iterator[str]:
    """Yield a sentence for each thing that is not seen, and what is done without it.

    `heat` tells whether the forecast of the temperature goes on all the same; `frozen_w` is the
    value at which the power sensor is frozen.
    """
    if seen.power_w is not None and frozen_w is not None:
        frozen = f"The power sensor is frozen: it stays at {frozen_w:.3g} W while the load moves"
        yield f"{frozen}. Watts are kept by a model of the board."
    elif seen.power_w is None:
        rest = "" if seen.temp_c is None else ", and heat by the temperature"
        yield f"No power can be read: watts are kept by a model of the board{rest}."
    if seen.temp_c is None:
        how = "is kept by a forecast" if heat else "is not watched"
        guard = "the guard stays as it is, but for stops, which end after a minute"
        yield f"No temperature can be read: heat {how}, and {guard}."
    elif seen.trip_assumed:
        yield (
            f"The temperature at which the board throttles is not known: {seen.trip_c:.0f} °C is"
            " assumed. State it as thermal.trips.throttle_c in the board's profile."
        )
    if budget.energy_j is not None and (seen.supply_j is None or seen.period_left_s is None):
        yield "The supply's energy is not counted: energy_j cannot be kept."
    if seen.others is None:
        yield "Other programs' processor time cannot be read: threads do not make way for them."


def _stopped(seen: Observation, guard: GuardState) -> str:
    if seen.guarded_c is None or seen.trip_c is None:
        return (
            "the board was too hot when its temperature was last read: "
            "everything stands still for a minute"
        )
    return (
        f"the board is at {seen.guarded_c:.0f} °C and would throttle at {seen.trip_c:.0f} °C: "
        f"everything stands still until it is below {guard.leaves_c(seen.trip_c):.0f} °C"
    )


def _pace(limits: Limits, seen: Observation, subject: str, idle_w: float, at: str) -> Iterator[str]:
    if limits.least_duty >= 1.0:
        return
    if limits.allowance_w is not None and limits.allowance_w <= idle_w:
        about, whose = ("about ", " by a model of it") if seen.power_w is None else ("", "")
        idle = f"the {about}{idle_w:.3g} W that the board draws idle{whose}"
        yield f"{subject} leaves nothing beyond {idle}"
    else:
        threads = thread_count(limits.threads)
        least = f"{100 * limits.least_duty:.0f} %"
        share = f"{100 * limits.duty:.0f} %" if limits.duty < 1.0 else least
        said = f"{subject} allows {threads}{at} {share} of the time"
        if limits.duty >= 1.0:
            said += " to read prompts"
        elif least != share:
            said += f", and {least} to read prompts"
        yield said


def _heat(limits: Limits, seen: Observation, guard: GuardState) -> Iterator[str]:
    if limits.guard == "ok":
        return
    until = ""
    if seen.guarded_c is None:
        state = "hot" if limits.guard == "hold" else "warm"
        at = f"was {state} when its temperature was last read"
    else:
        at = f"is at {seen.guarded_c:.0f} °C"
        if seen.trip_c is not None:
            until = f" until it is below {guard.leaves_c(seen.trip_c):.0f} °C"
    yield f"the board {at}: no model is loaded{until}"


def _taken(limits: Limits) -> Iterator[str]:
    if limits.smaller:
        yield "smaller models answer"
    if limits.admission == "refuse":
        yield "new requests are refused"
    elif limits.admission == "queue":
        yield "new requests wait"


def _fewer(limits: Limits, seen: Observation, subject: str, cores: int) -> tuple[str, bool]:
    threads = thread_count(limits.threads)
    if seen.rivals is not None and seen.rivals >= UP_AT:
        busy = f"other programs keep {seen.rivals:.1f} of {cores} cores busy"
        return f"{busy}, {threads} may work", True
    most = f"most comes of {threads} of {cores}"
    if limits.allowance_w is not None:
        return f"{subject} allows {limits.allowance_w:.3g} W, {most}", True
    return most, False


def thread_count(count: int) -> str:
    """Return a number of threads in words."""
    return f"{count} thread" + ("" if count == 1 else "s")


def _at(clock_hz: float | None) -> str:
    return "" if clock_hz is None else f" at {clock_hz / 1e9:.2f} GHz"


def _joules(energy_j: float) -> str:
    energy_j = max(0.0, energy_j)
    return f"{energy_j:.0f} J" if energy_j < 10_000.0 else f"{energy_j / 1000.0:.0f} kJ"


def _span(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7200.0 else f"{seconds / 3600.0:.0f} h"


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
class GovernorReport(Ahead):
    """The governor's view after a step. Watts and degrees; None: not known, or nothing binds.

    `allowances_w` holds what each constraint allows by itself. `margin_w` is kept free below a
    cap for what the forecast of power gets wrong. `missing` has a sentence for each sensor that
    the governor does without.
    """

    allowances_w: dict[BoundBy, float] = field(default_factory=dict["BoundBy", float])
    margin_w: float | None = None
    due_c: float | None = None  # what was forecast for now, and its band
    due_band_c: float | None = None
    predicted_w: float | None = None  # at the limits now in force, with the engine at work
    idle_w: float | None = None
    delay_s: float | None = None  # of the readings of power
    sag: str | None = None  # how a sag of the supply lowers the cap; None: it does not
    missing: tuple[str, ...] = ()
    frozen_w: float | None = None  # the value at which the power sensor is frozen
    ineffective: tuple[bool, bool] = False, False  # limits of the CPU's clock, and the GPU's

    @property
    def distrusted(self) -> dict[str, str]:
        """The reason why each sensor is not believed, by its name."""
        if self.frozen_w is None:
            return {}
        return {"power": f"its sensor stays at {self.frozen_w:.3g} W while the load moves"}


def ahead(
    thermal: ThermalModel | None, power_w: float, horizon_s: float, evacuate_c: float | None
) -> Ahead:
    """Return what `thermal` says of `power_w` from now on."""
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


def governor_state(
    budget: BudgetConfig,
    limits: Limits,
    report: GovernorReport,
    spent_j: float | None,
    period_left_s: float | None,
    knobs: Iterable[KnobOutcome],
    held_back_s: Mapping[str, float],
    warnings: list[str],
    supply: list[str],
) -> GovernorState:
    """Return the state for clients: fields of the same name have the same meaning."""
    fields = {
        **vars(limits),
        **vars(report),
        "budget": msgspec.convert(budget, BudgetState, from_attributes=True),
        "limits": msgspec.convert(limits, LimitsState, from_attributes=True),
        "slowed": limits.why if limits.slows else None,
        "spent_j": spent_j if budget.energy_j is not None else None,
        "period_left_s": period_left_s if budget.energy_j is not None else None,
        "knobs": [_knob(outcome) for outcome in knobs],
        "held_back_s": dict(held_back_s),
        "warnings": warnings,
        "supply": supply,
    }
    return msgspec.convert(fields, GovernorState)


def _knob(outcome: KnobOutcome) -> KnobState:
    fine = outcome.state in ("turned", "restored")
    return KnobState(
        name=_text(outcome.knob) or "",
        wanted=_text(outcome.wanted) or "",
        value=_text(outcome.value),
        before=_text(outcome.original),
        error=None if fine else _text(outcome.said or outcome.state),
    )


def _text(value: Value | None) -> str | None:
    """Return the value as text: names of files may hold bytes that are no text."""
    if value is None:
        return None
    return str(value).encode("utf-8", "backslashreplace").decode()
