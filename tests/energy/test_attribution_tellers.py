"""Two processes at work, each of which tells of its own work at its own time."""

from __future__ import annotations

import pytest
from metered import ACTIVE_W, IDLE_W, Plant

from edge_rt.board_model.idle import IdlePower
from edge_rt.energy.attribution import Attribution

OTHER = "companion"


def test_no_window_is_settled_before_both_have_told_of_it() -> None:
    plant, attribution = Plant([(2.0, 4.0)]), Attribution(IdlePower())
    plant.until(2.0, attribution)
    one, other = attribution.open(2.0), attribution.open(2.0, OTHER)
    plant.until(4.0, attribution)
    attribution.told(2.0, 4.0, [(one, 0.0, 2.0)])
    plant.until(4.5, attribution)
    for tick in range(20):  # what the companion did comes late, and in pieces
        begin_s = 2.0 + 0.1 * tick
        attribution.told(begin_s, begin_s + 0.1, [(other, 0.0, 0.1)], OTHER)
    plant.until(5.0, attribution)
    bills = [attribution.close(account, 4.0) for account in (one, other)]
    total_j = 2.0 * (ACTIVE_W - IDLE_W)
    assert [bill.energy_j for bill in bills] == [pytest.approx(total_j / 2, rel=0.1)] * 2
    assert attribution.totals.attributed_j == pytest.approx(total_j, rel=0.1)


def test_one_without_requests_holds_nothing_up() -> None:
    plant, attribution = Plant([(2.0, 4.0)]), Attribution(IdlePower())
    plant.until(2.0, attribution)
    other = attribution.open(2.0, OTHER)
    plant.until(3.0, attribution)
    attribution.told(2.0, 3.0, [(other, 0.0, 1.0)], OTHER)
    assert other.energy_j == pytest.approx(ACTIVE_W - IDLE_W, rel=0.1)
