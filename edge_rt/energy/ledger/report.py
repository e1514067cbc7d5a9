"""How the ledger is told to clients."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_rt.core.reports.board import Booking, DayTotal, LedgerReport, ModelTotal
from edge_rt.energy.ledger.record import Day, ModelDay, UsageRecord


def ledger_report(
    stored: bool, days: Sequence[Day], models: Sequence[ModelDay], last: Sequence[UsageRecord]
) -> LedgerReport:
    """All of it as clients see it: the fields of one name have one meaning."""
    return LedgerReport(
        stored=stored,
        days=msgspec.convert(days, list[DayTotal], from_attributes=True),
        models=msgspec.convert(models, list[ModelTotal], from_attributes=True),
        last=msgspec.convert(last, list[Booking], from_attributes=True),
    )
