"""A model lives with readings that are missing, late, garbled or out of order."""

from __future__ import annotations

import pytest
from toy_board import DT_S, Board, answers, why

from edge_rt.thermal.model import BLIND_S


def test_a_missed_temperature_does_not_shake_belief_but_a_minute_of_them_ends_it() -> None:
    board = Board()
    board.run(300.0)
    board.run(1.0, sees_heat=False)
    assert board.model.believed
    board.run(20.0, sees_heat=False)
    assert not board.model.believed
    assert "no temperature has been read for" in why(board.model)
    assert board.error_k() < 1.0  # the power is known, so forecasts go on
    board.run(BLIND_S, sees_heat=False)
    assert answers(board.model) == [None] * 5


def test_blindness_widens_the_band() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.forecast(5.0, 30.0)
    board.run(20.0, sees_heat=False)
    after = board.model.forecast(5.0, 30.0)
    assert before is not None
    assert after is not None
    assert after.band_k > before.band_k


def test_it_sees_again_at_once_after_blindness() -> None:
    board = Board()
    board.run(300.0)
    board.run(100.0, sees_heat=False)
    board.run(1.0)
    assert board.model.believed
    assert board.error_k() < 0.3


def test_without_power_temperatures_are_followed_and_what_was_learnt_stays() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.state
    board.run(60.0, sees_power=False)
    after = board.model.state
    assert before is not None
    assert after is not None
    assert after.temps_c[0] == pytest.approx(board.temps[0], abs=0.5)
    assert after.ambient_c == before.ambient_c
    assert after.resistance_c_per_w == before.resistance_c_per_w


def test_after_a_gap_it_starts_from_what_it_reads_with_what_it_has_learnt() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.state
    board.run(600.0, told=False)
    board.temps = (70.0, 60.0)  # whatever has happened
    board.run(DT_S)
    after = board.model.state
    assert before is not None
    assert after is not None
    assert after.temps_c[0] == pytest.approx(board.temps[0], abs=1.0)
    assert after.time_constants_s == before.time_constants_s
    board.run(60.0)
    assert board.error_k() < 0.5


def test_a_clock_that_is_set_back_is_a_gap() -> None:
    board = Board()
    board.run(300.0)
    board.time_s -= 1000.0
    board.run(60.0)
    assert board.error_k() < 0.5


@pytest.mark.parametrize(("temp_c", "power_w"), [(0.0, 2.0), (150.0, 2.0), (55.0, 900.0)])
def test_one_garbled_reading_spoils_nothing(temp_c: float, power_w: float) -> None:
    found: list[float] = []
    for garbled in (False, True):
        board = Board()
        board.run(300.0)
        if garbled:
            board.model.observe(board.time_s + 0.1, temp_c, power_w, 0.5)
        board.run(10.0)
        assert board.model.believed
        forecast = board.model.forecast(5.0, 30.0)
        assert forecast is not None
        found += forecast
    assert found[2:] == pytest.approx(found[:2], abs=0.3)


def test_heat_from_nowhere_is_followed_but_teaches_nothing() -> None:
    board = Board()
    board.run(300.0)
    before = board.model.state
    board.temps = (board.temps[0] + 30.0, board.temps[1])
    board.run(0.4)
    after = board.model.state
    assert before is not None
    assert after is not None
    assert after.temps_c[0] == pytest.approx(board.temps[0], abs=1.0)
    assert after.time_constants_s == before.time_constants_s
