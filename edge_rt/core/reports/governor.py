"""What clients see of the governor, and what they may set."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Period = Literal["hour", "day"]
Guard = Literal["ok", "caution", "hold", "evacuate"]
Admission = Literal["open", "queue", "refuse"]
LeakageSource = Literal["measured", "assumed"]
Amount = Annotated[float, Meta(gt=0)]


class BudgetState(msgspec.Struct, frozen=True):
    """The caps in force; None: no such cap. See edge_rt.governor.budget.Budget."""

    power_w: float | None
    power_window_s: float
    peak_ratio: float
    temp_c: float | None
    energy_j: float | None
    energy_period: Period


class BudgetChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PUT /edge/v1/budget: what is left out stays, null takes a cap away.

    It holds until the daemon ends; the next one begins with the configuration's.
    """

    power_w: Amount | UnsetType | None = UNSET
    power_window_s: Annotated[float, Meta(ge=0.2, le=60)] | UnsetType = UNSET
    peak_ratio: Annotated[float, Meta(ge=1, le=10)] | UnsetType = UNSET
    temp_c: Annotated[float, Meta(gt=0, le=150)] | UnsetType | None = UNSET
    energy_j: Amount | UnsetType | None = UNSET
    energy_period: Period | UnsetType = UNSET


class LimitsState(msgspec.Struct, frozen=True):
    """What the engine may use now. See edge_rt.governor.limits.Limits."""

    threads: int
    duty: float
    prefill_chunk: int | None
    admission: Admission
    smaller: bool
    heavy: bool
    retry_after_s: float
    cpu_hz: float | None = None
    gpu_hz: float | None = None
    prompt_duty: float | None = None
    sequences: None = (
        None  # always null; for clients of 0.1.0, to be removed after the next release
    )


class KnobState(msgspec.Struct, frozen=True):
    """Something outside the daemon that it has turned, or was told to and could not."""

    name: str
    wanted: str
    value: str | None  # as it reads now
    before: str | None  # and will again
    error: str | None


class GovernorState(msgspec.Struct, frozen=True):
    """Budget, limits, and why. See edge_rt.governor.report.Report for what the figures mean."""

    budget: BudgetState
    limits: LimitsState
    guard: Guard
    allowance_w: float | None
    allowances_w: dict[str, float]
    bound_by: str | None
    margin_w: float | None
    predicted_w: float | None
    idle_w: float | None
    horizon_s: float
    forecast_c: float | None
    band_c: float | None
    guard_in_s: float | None
    trusted: bool
    why: str
    missing: list[str]
    spent_j: float | None  # of the present hour or day, where `budget.energy_j` caps it
    period_left_s: float | None
    knobs: list[KnobState]
    held_back_s: dict[str, float] = {}  # since the start, while there was work to do, by cause
    warnings: list[str] = []  # caps that leave nothing for answers
    simulated: str | None = None  # the simulated board whose figures these are


class HeatState(msgspec.Struct, frozen=True):
    """What the daemon has learnt of the board's heat; None where it is not known.

    `ambient_c` is of the air that cools the board and `resistance_c_per_w` of the way from the
    chip to it, with the fan as it is. `time_constants_s` are R·C of each node, the chip first.
    `band_k` is how far nine of ten forecasts of 30 s are off at most. `phi` is the thermal yield:
    the share of what the chip draws now that is not leaked, 0 at rest.
    """

    ambient_c: float | None
    resistance_c_per_w: float | None
    time_constants_s: list[float]
    band_k: float | None
    trusted: bool
    why: str
    leakage_w: float | None  # of an idle chip at the temperature of now
    doubling_k: float | None  # kelvins that double the leakage
    phi: float | None
    runaway_c: float | None  # from there on each degree at work leaks enough for another
    leakage_note: str  # how well the leakage is known
    leakage_source: LeakageSource = "assumed"  # and with it `phi` and `runaway_c`


class Past(msgspec.Struct, frozen=True):
    """How it was, oldest first: one entry of each list for one moment, None where not known.

    `forecast_c` is what was forecast, `horizon_s` before, for that moment.
    """

    horizon_s: float
    time: list[float]  # Unix seconds
    power_w: list[float | None]
    temp_c: list[float | None]
    forecast_c: list[float | None]
    band_c: list[float | None]
    allowance_w: list[float | None]
    cap_w: list[float | None]
    trip_c: list[float | None]
    duty: list[float]
    threads: list[int]
    guard: list[str]
    running: list[int]
    waiting: list[int]
    tokens_per_s: list[float]
    simulated: str | None = None  # the simulated board whose figures these are
