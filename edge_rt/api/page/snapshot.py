"""What the page shows of the daemon at one moment."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_rt.api.service import Service
from edge_rt.core.errors import RequestError
from edge_rt.core.reports.board import AppBudgetState, AppTotal, Booking, Quality
from edge_rt.core.reports.governor import Admission, BudgetState, Guard
from edge_rt.core.requests import LoadedModel

_PAST_S = 5.0  # of the history, which has a row for each second
_REQUESTS = 12


class PageHello(msgspec.Struct, frozen=True, tag="hello"):
    """The first event: what this client may do, and what it may ask for."""

    version: str
    """Version of the daemon."""
    period_s: float
    """Seconds between two snapshots."""
    generate: bool
    """Whether this client may use models."""
    administer: bool
    """Whether it may change the budget."""
    models: list[str]
    """Ids of the models that write text."""


class RecentRequest(msgspec.Struct, frozen=True):
    """One of the newest requests of the ledger."""

    ended: float
    """When it ended, in Unix seconds."""
    model: str
    """Id of the model that answered."""
    status: Literal["done", "cached", "cancelled", "failed", "lost"]
    """How it ended."""
    tokens: int
    """Tokens of the answers."""
    seconds: float
    """From the arrival at the engine to the end."""
    energy_j: float | None
    """Joules that it added to the idle draw."""
    quality: Quality
    """Quality of the joules."""
    why: str | None
    """Why that model answered; null where no choice of it is kept."""


class PageSnapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Board, governor, models and newest requests; null where a figure is not known."""

    time: float
    """Unix seconds."""
    board: str | None
    """Name of the board."""
    simulated: bool
    """Whether the board is simulated."""
    power_w: float | None
    """Power of the supply now."""
    power_quality: Literal["measured", "modelled"] | None
    """Quality of the watts."""
    idle_w: float | None
    """Power while the engine has nothing to do."""
    temp_c: float | None
    """Temperature of the hottest zone."""
    trip_c: float | None
    """Where the board slows down by itself."""
    throttled: list[str] | None
    """What holds the board back now."""
    budget: BudgetState
    """The caps in force."""
    guard: Guard
    """State of the guard against heat."""
    admission: Admission
    """What happens to new requests."""
    why: str
    """What holds back, in a sentence."""
    warnings: list[str]
    """Caps that leave nothing for answers, and what is wrong with the supply or its sensor."""
    allowance_w: float | None
    """Watts that the board may draw now; null: nothing binds."""
    forecast_c: float | None
    """The temperature after `horizon_s` if the board goes on drawing as now."""
    horizon_s: float
    """How far ahead the temperature is forecast."""
    today_j: float | None
    """Joules of the supply on this UTC day, as far as they are known."""
    spent_j: float | None
    """Joules of the present hour or day, where the budget caps them."""
    running: int | None
    """Requests that are being answered."""
    waiting: int | None
    """Requests that wait."""
    tokens_per_s: float | None
    """Tokens a second of all answers."""
    models: list[LoadedModel]
    """Models in memory."""
    apps: list[AppTotal]
    """Joules of each application on this UTC day, with the idle draw and the rest."""
    budgets: list[AppBudgetState]
    """The applications that have a budget."""
    battery_s: float | None
    """Seconds that the full battery lasts at the mean power of this UTC day."""
    requests: list[RecentRequest]
    """The newest requests, the newest first."""


async def snapshot(service: Service, time: float) -> PageSnapshot:
    """Return what `service` tells at `time`, in Unix seconds; reads no sensor."""
    board, governor, past = service.board(), service.budget(), service.history(_PAST_S)
    ledger = await service.ledger(1, _REQUESTS)
    supply, zone = board.supply, board.nearest or board.hottest
    return PageSnapshot(
        time=time,
        board=None if board.board is None else board.board.name,
        simulated=board.simulated,
        power_w=None if supply is None else supply.power_w,
        power_quality=None if supply is None else supply.quality,
        idle_w=None if supply is None else supply.idle_w,
        today_j=ledger.days[0].energy_j if ledger.days else None,
        temp_c=board.temp_c,
        trip_c=None if zone is None else zone.trip_c,
        throttled=board.throttled,
        running=past.running[-1] if past.running else None,
        waiting=past.waiting[-1] if past.waiting else None,
        tokens_per_s=past.tokens_per_s[-1] if past.tokens_per_s else None,
        models=service.loaded(),
        apps=ledger.apps,
        budgets=ledger.budgets,
        battery_s=ledger.battery_s,
        requests=[_recent(service, one) for one in ledger.last],
        budget=governor.budget,
        guard=governor.guard,
        admission=governor.limits.admission,
        why=governor.why,
        warnings=[*governor.warnings, *governor.supply],
        allowance_w=governor.allowance_w,
        forecast_c=governor.forecast_c,
        horizon_s=governor.horizon_s,
        spent_j=governor.spent_j,
    )


def _recent(service: Service, booking: Booking) -> RecentRequest:
    return RecentRequest(
        booking.ended,
        booking.model,
        booking.status,
        booking.completion_tokens,
        booking.seconds,
        booking.energy_j,
        booking.quality,
        _why(service, booking.answer_id),
    )


def _why(service: Service, answer: str | None) -> str | None:
    if answer is None:
        return None
    try:
        return service.trace(answer).why
    except RequestError:
        return None
