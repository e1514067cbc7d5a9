"""What clients see of the board and of its energy."""

from __future__ import annotations

from typing import Literal

import msgspec

Quality = Literal["measured", "modelled", "unresolved"]


class BoardName(msgspec.Struct, frozen=True):
    """Which profile is in use, and why: `by` says what gave the board away."""

    id: str
    name: str
    by: str
    confidence: Literal["exact", "family", "generic", "configured"]


class Supply(msgspec.Struct, frozen=True):
    """The rails that form the power of what `covers` names, and their sum.

    `energy_j` is over `covered_s` seconds since the supply was found: at the daemon's start, or
    when the board was looked at again for what could not be read; all joules then begin at 0. Of
    `missing_s` more seconds nothing is known. `power_w` is None where a rail cannot be read now,
    `idle_w` while it was not seen yet what the board draws when the engine has nothing to do.
    """

    rails: list[str]
    covers: str  # "board", "module", "package" or "regulators"
    quality: Literal["measured", "modelled"]
    power_w: float | None
    idle_w: float | None
    energy_j: float
    covered_s: float
    missing_s: float


class ChannelState(msgspec.Struct, frozen=True):
    """One figure as it stands, in the unit that `kind` names; see sensors.base.Channel.

    `value` is None where there is no current one: `error` says why, `last` is the last good value
    and `age_s` how old that is.
    """

    reader: str
    name: str
    kind: str
    value: float | None
    last: float | None
    age_s: float | None
    error: str | None
    quality: Literal["measured", "modelled"]
    source: str


class RailEnergy(msgspec.Struct, frozen=True):
    """Joules of one rail since it was found. Rails overlap: parts are beside the whole."""

    name: str
    quality: Literal["measured", "modelled"]
    energy_j: float
    covered_s: float
    missing_s: float


class NotRead(msgspec.Struct, frozen=True):
    """Something that was looked for or found and is not read, and why."""

    name: str
    reason: str


class HeatState(msgspec.Struct, frozen=True):
    """A zone of the chip; at `trip_c` the board slows down for it, None: nobody knows where."""

    name: str
    temp_c: float
    trip_c: float | None


class BoardReport(msgspec.Struct, frozen=True):
    """Everything that is felt of the board right now.

    `temp_c` is the hottest zone's, and `nearest` the zone nearest to its own trip point, which the
    guard goes by. `not_counted` has the temperatures that are not the chip's, and why. `throttled`
    names what holds the board back now, such as "under-voltage"; it is None where no such flag can
    be read. `looking` is True until it is known what there is: right after the daemon's start.
    `left_out` names sensors that do not answer, and "temperature" where none can be read, with the
    reason. `doubts` names rails whose readings contradict others or the board's profile, and tells
    how.
    """

    board: BoardName | None
    root: str  # below which sys, proc and dev are read; "/" on a real board
    simulated: bool
    supply: Supply | None
    temp_c: float | None
    throttled: list[str] | None
    channels: list[ChannelState]
    energies: list[RailEnergy]
    not_read: list[NotRead]
    looking: bool = False
    left_out: dict[str, str] = {}
    doubts: dict[str, str] = {}
    hottest: HeatState | None = None
    nearest: HeatState | None = None
    not_counted: dict[str, str] = {}


class DayTotal(msgspec.Struct, frozen=True):
    """The supply's joules of one UTC day: `attributed_j` + `unattributed_j` = `energy_j`."""

    day: str  # "2026-01-31"
    quality: Quality  # "modelled" where any part of it was
    energy_j: float
    attributed_j: float
    unattributed_j: float
    covered_s: float
    missing_s: float


class ModelTotal(msgspec.Struct, frozen=True):
    """What one model's answers took on one UTC day.

    `energy_j` counts the known joules; `unresolved` requests are those whose joules are not known.
    `hits` of the requests were answered from the cache, which saved `saved_j` as far as known.
    """

    day: str
    model: str
    requests: int
    unresolved: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    busy_s: float  # of the engine, for these requests
    energy_j: float
    hits: int = 0
    saved_j: float = 0.0


class Booking(msgspec.Struct, frozen=True):
    """One request's line in the ledger, or what was "lost" with an engine."""

    ended: float  # Unix seconds
    model: str
    status: Literal["done", "cached", "cancelled", "failed", "lost"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float  # from its coming to the engine to its end
    busy_s: float  # the engine's time for it alone, its shares of the passes added up
    energy_j: float | None
    quality: Quality
    power_w: float | None  # the board's mean over `seconds`
    temp_c: float | None
    mode: str | None = None  # of decoding; None: by the model itself
    partner: str | None = None
    small_tokens: int | None = None
    large_tokens: int | None = None
    switches: int | None = None
    catch_up_tokens: int | None = None
    accepted_tokens: int | None = None
    rejected_tokens: int | None = None
    saved_j: float | None = None  # what a "cached" answer took when it was made
    answer_id: str | None = None  # as the client got it; embeddings and tensors have none


class LedgerReport(msgspec.Struct, frozen=True):
    """Totals by day and model, newest day first, and the last requests, newest first.

    `stored` is False while the ledger cannot be written; it is then kept in memory. `simulated` is
    the simulated board whose ledger it is, None: a real one's.
    """

    stored: bool
    days: list[DayTotal]
    models: list[ModelTotal]
    last: list[Booking]
    simulated: str | None = None
