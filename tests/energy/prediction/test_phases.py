"""Joules of phases add up, and what an answer adds does not hang on how it is paced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config.board import Board, Draw, Figure
from edge_rt.energy.prediction.equation import Watts, board_watts, spend

POWERS = st.floats(0.1, 30.0)
SECONDS = st.floats(0.01, 100.0)


@given(POWERS, POWERS, POWERS, SECONDS, SECONDS, SECONDS)
def test_the_whole_is_the_power_of_each_phase_over_its_time(
    idle: float, prefill: float, decode: float, first: float, second: float, rest: float
) -> None:
    spent = spend(Watts.of_totals(idle, idle + prefill, idle + decode), first, second, rest)
    total = (idle + prefill) * first + (idle + decode) * second + idle * rest
    assert spent.total_j == pytest.approx(total)
    assert spent.power_w == pytest.approx(total / (first + second + rest))
    assert spent.energy_j == pytest.approx(total - idle * (first + second + rest), abs=1e-6)


@given(SECONDS, SECONDS)
def test_rests_cost_idle_power_alone(computing: float, rest: float) -> None:
    at_once, paced = (spend(Watts(3.0, 2.0, 1.0), computing, computing, r) for r in (0.0, rest))
    assert paced.energy_j == at_once.energy_j
    assert paced.total_j is not None
    assert at_once.total_j is not None
    assert paced.total_j - at_once.total_j == pytest.approx(3.0 * rest)


def test_without_a_figure_for_idle_the_whole_is_not_known() -> None:
    spent = spend(Watts(None, 2.0, 1.0), 1.0, 2.0)
    assert (spent.energy_j, spent.total_j, spent.power_w) == (4.0, None, None)


def test_nothing_done_draws_idle_power() -> None:
    assert spend(Watts(3.0, 2.0, 1.0), 0.0, 0.0).power_w == 3.0


def test_no_phase_adds_less_than_nothing() -> None:
    assert Watts.of_totals(3.0, 2.9, 4.0) == Watts(3.0, 0.0, 1.0)


def test_a_profile_tells_watts_only_with_both_figures() -> None:
    idle, loaded = (Figure(value=v, source=("test",)) for v in (3.0, 11.0))
    full = Board(id="b", name="b", draw=Draw(idle_w=idle, loaded_w=loaded))
    assert board_watts(full) == Watts(3.0, 8.0, 8.0)
    assert board_watts(Board(id="b", name="b", draw=Draw(idle_w=idle))) is None
    assert board_watts(None) is None
