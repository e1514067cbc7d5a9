"""What is held in memory is told in words."""

from __future__ import annotations

import pytest
from book_help import DAY_S, NOW, entry

from edge_rt.energy.ledger_records import Day, Pending


@pytest.mark.parametrize(
    ("requests", "days", "told"),
    [
        (0, 0, ""),
        (0, 1, "the sums of 1 day"),
        (1, 0, "1 request and the sums of 1 day"),
        (2, 2, "2 requests and the sums of 2 days"),
    ],
)
def test_what_would_be_lost(requests: int, days: int, told: str) -> None:
    pending = Pending()
    for number in range(requests):
        pending.book(entry(ended=NOW + number * DAY_S))
    for number in range(days):
        pending.day(Day(f"2027-01-{15 + number}", "measured", 1.0, 0.0, 1.0, 0.0))
    assert str(pending) == told
