"""Clients are told what stands in the ledger."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_rt.energy.ledger_records import Day, UsageRecord, ledger_report, of_model

DAY = Day("2027-01-15", "modelled", 5.0, 3.5, 60.0, 1.0)
DONE = UsageRecord(1.8e9, "m", "done", 9, 4, 7, 2.0, 1.5, 3.5, "measured", 4.5, 51.0)
BROKEN = UsageRecord(1.8e9, "m", "failed", 9, 4, 0, 2.0, 1.5, None, "unresolved", None, None)


@pytest.mark.parametrize("entry", [DONE, BROKEN])
def test_every_figure_is_that_of_the_ledger(entry: UsageRecord) -> None:
    report = ledger_report(True, [DAY], [of_model(entry)], [entry])
    assert report.stored
    pairs: list[tuple[Any, Any]] = [
        (report.days[0], DAY),
        (report.models[0], of_model(entry)),
        (report.last[0], entry),
    ]
    for told, kept in pairs:
        figures = msgspec.structs.asdict(told)
        assert figures == {name: getattr(kept, name) for name in figures}
    assert report.days[0].unattributed_j == 1.5
