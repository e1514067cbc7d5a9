"""How the ledger is told to clients."""

from __future__ import annotations

from collections.abc import Iterable

from edge_rt.api.board import Booking, DayTotal, LedgerReport, ModelTotal
from edge_rt.energy.entry import Day, Entry, ModelDay


def ledger_report(
    stored: bool, days: Iterable[Day], models: Iterable[ModelDay], last: Iterable[Entry]
) -> LedgerReport:
    """All of it as clients see it."""
    return LedgerReport(
        stored=stored,
        days=[_day(day) for day in days],
        models=[_model(model) for model in models],
        last=[_booking(entry) for entry in last],
    )


def _day(day: Day) -> DayTotal:
    return DayTotal(
        day=day.day,
        quality=day.quality,
        energy_j=day.energy_j,
        attributed_j=day.attributed_j,
        unattributed_j=day.unattributed_j,
        covered_s=day.covered_s,
        missing_s=day.missing_s,
    )


def _model(model: ModelDay) -> ModelTotal:
    return ModelTotal(
        day=model.day,
        model=model.model,
        requests=model.requests,
        unresolved=model.unresolved,
        prompt_tokens=model.prompt_tokens,
        cached_tokens=model.cached_tokens,
        completion_tokens=model.completion_tokens,
        busy_s=model.busy_s,
        energy_j=model.energy_j,
    )


def _booking(entry: Entry) -> Booking:
    return Booking(
        ended=entry.ended,
        model=entry.model,
        status=entry.status,
        prompt_tokens=entry.prompt_tokens,
        cached_tokens=entry.cached_tokens,
        completion_tokens=entry.completion_tokens,
        seconds=entry.seconds,
        busy_s=entry.busy_s,
        energy_j=entry.energy_j,
        quality=entry.quality,
        power_w=entry.power_w,
        temp_c=entry.temp_c,
    )
