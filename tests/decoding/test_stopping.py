"""What going on is worth: checked against what can be said by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.draft_length import DraftCosts, Prospects


def prospects(costs: DraftCosts, shares: list[float], acceptances: list[float]) -> Prospects:
    return Prospects(costs, np.array(shares), np.array(acceptances))


@given(st.floats(0.0, 1.0), st.floats(0.001, 0.1), st.floats(0.001, 0.1), st.floats(0.0, 1.0))
def test_the_last_guess_is_worth_its_token_less_its_cost(
    acceptance: float, guess: float, row: float, chance: float
) -> None:
    found = prospects(DraftCosts(0.1, guess, [row]), [1.0], [acceptance])
    expected = max(0.0, max(0.0, chance * acceptance * 0.1 - row) - guess)
    assert found.value(0, chance) == pytest.approx(expected, abs=1e-3)
    assert found.value(1, chance) == 0.0


def test_guesses_alike_are_worth_the_best_fixed_length() -> None:
    costs, acceptance = DraftCosts(0.1, 0.02, [0.08, *([0.01] * 7)]), 0.9
    totals = [
        sum(acceptance**k * 0.1 - 0.02 - costs.rows[k - 1] for k in range(1, length + 1))
        for length in range(9)
    ]
    found = prospects(costs, [1.0], [acceptance]).value(0, 1.0)
    assert found == pytest.approx(max(totals), rel=0.05)
    assert totals[1] < 0  # one step ahead would not have seen it


def test_seeing_a_guess_before_it_is_taken_is_worth_more() -> None:
    costs = DraftCosts(0.1, 0.02, [0.05] * 6)
    mixed = prospects(costs, [0.5, 0.5], [0.95, 0.25]).value(0, 1.0)
    alike = prospects(costs, [1.0], [0.6]).value(0, 1.0)
    assert mixed > alike


@given(
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    st.floats(0.0, 0.1),
    st.lists(st.floats(0.0, 0.1), min_size=1, max_size=12),
)
def test_it_is_never_worth_less_than_stopping_nor_more_than_all_tokens(
    acceptances: list[float], guess: float, rows: list[float]
) -> None:
    found = prospects(DraftCosts(0.1, guess, rows), [0.2, 0.3, 0.5], acceptances)
    values = [[found.value(k, q) for q in (0.0, 0.3, 0.7, 1.0)] for k in range(len(rows) + 1)]
    for drafted, row in enumerate(values):
        assert row == sorted(row)
        assert 0.0 <= row[-1] <= 0.1 * (len(rows) - drafted) + 1e-9
