"""What clients see of the board and of its energy."""

from __future__ import annotations

from typing import Literal

import msgspec

Quality = Literal["measured", "modelled", "unresolved"]


class BoardName(msgspec.Struct, frozen=True):
    """The board's profile that is in use."""

    id: str
    """Id of the profile."""
    name: str
    """The board's name."""
    by: str
    """What the board was recognised by."""
    confidence: Literal["exact", "family", "generic", "configured"]
    """Whether it is of this very board, a similar one, its architecture, or was configured."""


class MeterFit(msgspec.Struct, frozen=True):
    """How a meter beside the board reads: scale · P + offset_w, by the power P of its sensors."""

    scale: float
    """Watts for each watt of the sensors."""
    offset_w: float
    """Watts where they would read none."""


class Supply(msgspec.Struct, frozen=True):
    """The rails that form the board's total, and their sum.

    Joules begin at 0 when the supply is found: at the daemon's start, or when the board was looked
    at again for missing sensors.
    """

    rails: list[str]
    """Names of the rails."""
    covers: str
    """What the total covers: `board`, `module`, `package` or `regulators`."""
    quality: Literal["measured", "modelled"]
    """Quality of the figures."""
    power_w: float | None
    """Power now; null while a rail cannot be read."""
    idle_w: float | None
    """Power while the engine has nothing to do; null until that was seen."""
    energy_j: float
    """Joules since the supply was found, over `covered_s`."""
    covered_s: float
    """Seconds of which the energy is known."""
    missing_s: float
    """Seconds of which it is not."""
    meter: MeterFit | None = None
    """What the figures were corrected by, against a meter; null: they are the sensors' own."""


class ChannelState(msgspec.Struct, frozen=True):
    """One figure as it stands."""

    reader: str
    """The reader that it comes from."""
    name: str
    """Name of the rail, zone, clock or flag."""
    kind: str
    """Kind, which names the unit: `power_w`, `temp_c`, `clock_hz` and so on."""
    value: float | None
    """The current value; null where there is none."""
    last: float | None
    """The last good value."""
    age_s: float | None
    """Age of the last good value."""
    error: str | None
    """Why there is no current value."""
    quality: Literal["measured", "modelled"]
    """Quality of the figure."""
    source: str
    """File or bus address."""


class RailEnergy(msgspec.Struct, frozen=True):
    """Joules of one rail since it was found. Rails overlap: parts stand beside the whole."""

    name: str
    """Name of the rail."""
    quality: Literal["measured", "modelled"]
    """Quality of the joules."""
    energy_j: float
    """Joules over `covered_s`."""
    covered_s: float
    """Seconds of which the energy is known."""
    missing_s: float
    """Seconds of which it is not."""


class NotRead(msgspec.Struct, frozen=True):
    """A sensor that was looked for or found and is not read."""

    name: str
    """Name of the sensor."""
    reason: str
    """Why it is not read."""


class HeatState(msgspec.Struct, frozen=True):
    """A zone of the chip."""

    name: str
    """Name of the zone."""
    temp_c: float
    """Its temperature."""
    trip_c: float | None
    """Where the board slows down for it; null where that is not known."""


class BoardReport(msgspec.Struct, frozen=True):
    """The whole board at one moment."""

    board: BoardName | None
    """The profile in use."""
    root: str
    """Directory below which sys, proc and dev are read; "/" on a real board."""
    simulated: bool
    """Whether the board is simulated."""
    supply: Supply | None
    """The rails that form the total; null where no power is read."""
    temp_c: float | None
    """Temperature of the hottest zone that counts."""
    throttled: list[str] | None
    """What holds the board back now, such as "under-voltage"; null where no such flag is read."""
    channels: list[ChannelState]
    """Every figure that is read."""
    energies: list[RailEnergy]
    """Joules of every rail."""
    not_read: list[NotRead]
    """Sensors that are not read."""
    looking: bool = False
    """Whether the sensors are still being looked for, right after the daemon's start."""
    left_out: dict[str, str] = {}
    """Sensors that do not answer, and "temperature" where none can be read, with the reason."""
    doubts: dict[str, str] = {}
    """Rails whose readings contradict others or the profile, and how."""
    hottest: HeatState | None = None
    """The hottest zone that counts."""
    nearest: HeatState | None = None
    """The zone nearest to its own trip point, which the guard goes by."""
    not_counted: dict[str, str] = {}
    """Temperatures that are not the chip's, and why."""


class DayTotal(msgspec.Struct, frozen=True):
    """The supply's joules of one UTC day: `attributed_j` + `unattributed_j` = `energy_j`."""

    day: str
    """The day, as in "2026-01-31"."""
    quality: Quality
    """Quality of the joules: `modelled` where any part of them is."""
    energy_j: float
    """All joules of the supply."""
    attributed_j: float
    """Joules that requests added to the idle draw."""
    unattributed_j: float
    """The rest: the idle draw and other programs."""
    covered_s: float
    """Seconds of which the energy is known."""
    missing_s: float
    """Seconds of which it is not."""
    idle_j: float = 0.0
    """The part of `unattributed_j` that is the idle draw, as far as that is known."""


class ModelTotal(msgspec.Struct, frozen=True):
    """What one model's answers took on one UTC day."""

    day: str
    """The day, as in "2026-01-31"."""
    model: str
    """Id of the model."""
    requests: int
    """Requests that it answered."""
    unresolved: int
    """Requests whose joules are not known."""
    prompt_tokens: int
    """Tokens of the prompts."""
    cached_tokens: int
    """Tokens of the prompts that were not computed again."""
    completion_tokens: int
    """Tokens of the answers."""
    busy_s: float
    """Seconds of the engine for these requests."""
    energy_j: float
    """The known joules."""
    hits: int = 0
    """Requests that were answered from the cache."""
    saved_j: float = 0.0
    """Joules that the cache saved, as far as they are known."""


class AppTotal(msgspec.Struct, frozen=True):
    """What one application's requests took on one UTC day.

    Its joules include those above the idle draw just after its work, which no request is billed
    for. Other rows of a day are `(idle)`, the idle draw, and `(rest)`: other programs, requests
    under way, and what could not be told. All rows add up to the day's `energy_j`.
    """

    day: str
    """The day, as in "2026-01-31"."""
    app: str
    """Name of the application, `user:NAME` or `key:HASH`; or `(others)`, `(unnamed)` and
    `(edge_rt)`, the daemon's own work."""
    requests: int = 0
    """Its requests."""
    unresolved: int = 0
    """Requests whose joules are not known."""
    tokens: int = 0
    """Tokens of the prompts and answers."""
    energy_j: float = 0.0
    """The known joules."""


class Booking(msgspec.Struct, frozen=True):
    """One request in the ledger."""

    ended: float
    """When it ended, in Unix seconds."""
    model: str
    """Id of the model that answered."""
    status: Literal["done", "cached", "cancelled", "failed", "lost"]
    """How it ended; `lost`: work that was lost with an engine, as earlier versions booked it."""
    prompt_tokens: int
    """Tokens of the prompt."""
    cached_tokens: int
    """Tokens of the prompt that were not computed again."""
    completion_tokens: int
    """Tokens of the answers."""
    seconds: float
    """From the arrival at the engine to the end."""
    busy_s: float
    """The engine's time for this request alone: its shares of the passes, added up."""
    energy_j: float | None
    """Joules that it added to the idle draw."""
    quality: Quality
    """Quality of the joules."""
    power_w: float | None
    """The board's mean power over `seconds`."""
    temp_c: float | None
    """Temperature of the hottest zone at the end."""
    mode: str | None = None
    """Decoding mode; null: the model by itself."""
    partner: str | None = None
    """Id of the smaller model that helped."""
    small_tokens: int | None = None
    """Tokens of the smaller model."""
    large_tokens: int | None = None
    """Tokens of the larger model."""
    switches: int | None = None
    """Changes from one model to the other."""
    catch_up_tokens: int | None = None
    """Tokens that one model wrote and the other had to read."""
    accepted_tokens: int | None = None
    """Drafted tokens that were kept."""
    rejected_tokens: int | None = None
    """Drafted tokens that were not."""
    saved_j: float | None = None
    """Joules that a cached answer took when it was made."""
    answer_id: str | None = None
    """Id of the answer, as the client got it; embeddings and tensors have none."""
    app: str | None = None
    """The application whose request it was; null before that was noted."""


class AppBudgetState(msgspec.Struct, frozen=True):
    """What an application has spent of its budget in the present clock hour."""

    app: str
    """Name of the application; `*`: all that have no budget of their own."""
    spent_j: float
    """Joules of its requests, those under way included."""
    limit_j: float | None
    """The most of an hour; null while nothing limits it."""


class LedgerReport(msgspec.Struct, frozen=True):
    """Totals by day and model, and the last requests."""

    stored: bool
    """Whether the ledger can be written; else it is kept in memory."""
    days: list[DayTotal]
    """Totals of each day, the newest first."""
    models: list[ModelTotal]
    """Totals of each model and day."""
    last: list[Booking]
    """The last requests, the newest first."""
    simulated: str | None = None
    """The simulated board whose ledger this is; null: a real one's."""
    apps: list[AppTotal] = []
    """Totals of each application and day."""
    budgets: list[AppBudgetState] = []
    """The applications that have a budget."""
    battery_s: float | None = None
    """Seconds that the full battery lasts at the mean power of this UTC day."""
