"""What clients see of the governor, and what they may set."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge_rt.core.limits import Admission, Guard

Period = Literal["hour", "day"]
LeakageSource = Literal["measured", "assumed"]
Amount = Annotated[float, Meta(gt=0)]


class BudgetState(msgspec.Struct, frozen=True):
    """The caps in force; null: no such cap."""

    power_w: float | None
    """Most watts of the supply, as a mean over `power_window_s`."""
    power_window_s: float
    """Length of that window."""
    peak_ratio: float
    """How many times `power_w` the power within a pass may be, as the governor predicts it."""
    temp_c: float | None
    """Highest temperature of the hottest zone."""
    energy_j: float | None
    """Most joules of the supply in each `energy_period`."""
    energy_period: Period
    """Clock hour or UTC day."""


class BudgetChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change of the budget until the daemon ends: what is left out stays, null removes a cap."""

    power_w: Amount | UnsetType | None = UNSET
    """Most watts of the supply, as a mean over `power_window_s`."""
    power_window_s: Annotated[float, Meta(ge=0.2, le=60)] | UnsetType = UNSET
    """Length of that window."""
    peak_ratio: Annotated[float, Meta(ge=1, le=10)] | UnsetType = UNSET
    """How many times `power_w` the power within a pass may be, as the governor predicts it."""
    temp_c: Annotated[float, Meta(gt=0, le=150)] | UnsetType | None = UNSET
    """Highest temperature of the hottest zone."""
    energy_j: Amount | UnsetType | None = UNSET
    """Most joules of the supply in each `energy_period`."""
    energy_period: Period | UnsetType = UNSET
    """Clock hour or UTC day."""


class LimitsState(msgspec.Struct, frozen=True):
    """What the engine may use now."""

    threads: int
    """Threads of a pass."""
    duty: float
    """Share of the time in which it may compute."""
    prefill_chunk: int | None
    """Most prompt tokens of one pass; null: as many as the engine likes."""
    admission: Admission
    """What happens to new requests."""
    smaller: bool
    """Whether smaller models are to stand in."""
    heavy: bool
    """Whether a model may be loaded."""
    retry_after_s: float
    """Seconds after which a refused request may be sent again."""
    cpu_hz: float | None = None
    """Highest clock of the CPU; null: it is left alone."""
    gpu_hz: float | None = None
    """Highest clock of the GPU; null: it is left alone."""
    prompt_duty: float | None = None
    """Share of the time for passes that read prompts; null: as `duty`."""


class KnobState(msgspec.Struct, frozen=True):
    """A setting outside the daemon that it has changed, or was told to change and could not."""

    name: str
    """Name of the knob."""
    wanted: str
    """The value that it is to have."""
    value: str | None
    """The value that it has now, as read back."""
    before: str | None
    """The value that it had before, and gets again at the end."""
    error: str | None
    """Why it could not be set."""


class GovernorState(msgspec.Struct, frozen=True):
    """The budget, the limits in force, and why; a figure is null where it is not known."""

    budget: BudgetState
    """The caps in force."""
    limits: LimitsState
    """What the engine may use now."""
    guard: Guard
    """State of the guard against heat."""
    allowance_w: float | None
    """Watts that the board may draw now; null: nothing binds."""
    allowances_w: dict[str, float]
    """Watts that each constraint allows by itself."""
    bound_by: str | None
    """The constraint that sets the allowance."""
    margin_w: float | None
    """Watts that are kept free below a cap for errors of the power forecast."""
    predicted_w: float | None
    """Draw at the limits in force, with the engine at work."""
    idle_w: float | None
    """Draw while the engine has nothing to do."""
    horizon_s: float
    """How far ahead the temperature is forecast."""
    forecast_c: float | None
    """The temperature after `horizon_s` if the board goes on drawing as now."""
    band_c: float | None
    """Nine in ten forecasts are right within this."""
    guard_in_s: float | None
    """Seconds until the board is hot enough for `evacuate`."""
    trusted: bool
    """Whether forecasts are trusted."""
    why: str
    """What holds back, in a sentence."""
    missing: list[str]
    """A sentence for each sensor that the governor does without."""
    spent_j: float | None
    """Joules of the present hour or day, where the budget caps them."""
    period_left_s: float | None
    """Seconds until that hour or day is over."""
    knobs: list[KnobState]
    """Settings of the board that were changed."""
    held_back_s: dict[str, float] = {}
    """Seconds since the start in which there was work and a limit held it back, by cause."""
    warnings: list[str] = []
    """Caps that leave nothing for answers."""
    supply: list[str] = []
    """What is wrong with the supply or its sensor, and what follows."""
    slowed: str | None = None
    """What slows answers at present, such as other programs or a cap; null: nothing does."""
    simulated: str | None = None
    """The simulated board whose figures these are."""


class HeatModelState(msgspec.Struct, frozen=True):
    """The thermal model of the board, as far as it was learnt; null where it is not known."""

    ambient_c: float | None
    """Temperature of the air that cools the board."""
    resistance_c_per_w: float | None
    """Thermal resistance from the chip to the air, with the fan as it is."""
    time_constants_s: list[float]
    """R·C of each node, the chip first."""
    band_k: float | None
    """Nine in ten forecasts over 30 s are right within this."""
    trusted: bool
    """Whether forecasts are trusted."""
    why: str
    """Why they are, or are not."""
    leakage_w: float | None
    """Leakage of the idle chip at the present temperature."""
    doubling_k: float | None
    """Kelvins that double the leakage."""
    phi: float | None
    """Thermal yield: the share of the chip's present power that is not leaked; 0 at rest."""
    runaway_c: float | None
    """Temperature from which each further degree at work leaks enough for another one."""
    leakage_note: str
    """How well the leakage is known."""
    leakage_source: LeakageSource = "assumed"
    """Whether leakage, `phi` and `runaway_c` are measured or assumed."""


class Past(msgspec.Struct, frozen=True):
    """Figures over time, the oldest first: each list has one entry for each moment."""

    horizon_s: float
    """How long before its moment a forecast was made."""
    time: list[float]
    """Unix seconds."""
    power_w: list[float | None]
    """Power of the supply."""
    temp_c: list[float | None]
    """Temperature of the hottest zone."""
    forecast_c: list[float | None]
    """The temperature that was forecast for this moment."""
    band_c: list[float | None]
    """The band of that forecast."""
    allowance_w: list[float | None]
    """Watts that the board was allowed to draw."""
    cap_w: list[float | None]
    """The cap of the budget."""
    trip_c: list[float | None]
    """The trip point."""
    duty: list[float]
    """Share of the time in which the engine was allowed to compute."""
    threads: list[int]
    """Threads that it was allowed."""
    guard: list[str]
    """State of the guard."""
    running: list[int]
    """Requests that were being answered."""
    waiting: list[int]
    """Requests that waited."""
    tokens_per_s: list[float]
    """Tokens a second of all answers."""
    simulated: str | None = None
    """The simulated board whose figures these are."""
