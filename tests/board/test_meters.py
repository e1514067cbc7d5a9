"""Mean watts from look to look, held for a moment, and never 0 for what is not known."""

from __future__ import annotations

from typing import Literal

import pytest

from edge_rt.board.integral import Energy
from edge_rt.board.meters import HOLD_S, SupplyMeter
from edge_rt.board.monitor import Metered


class Board:
    """A meter that is read, and the one who hears of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.meter = SupplyMeter()
        self.quality: Literal["measured", "modelled"] = "measured"
        self.rails: tuple[str, ...] = ("VDD_IN",)
        self.energy = Energy()

    def read(self, watts: float | None, seconds: float) -> None:
        """Let time pass at `watts`, None: they cannot be read, and have the meter read."""
        old = self.energy
        self.now += seconds
        if watts is None:
            self.energy = Energy(old.energy_j, old.covered_s, old.missing_s + seconds)
        else:
            joules = old.energy_j + watts * seconds
            self.energy = Energy(joules, old.covered_s + seconds, old.missing_s)
        self.tell()

    def tell(self) -> None:
        self.meter.hear(Metered(self.now, self.energy, 0.1, self.quality, self.rails))

    @property
    def power_w(self) -> float | None:
        return self.meter.power_w(self.now)


@pytest.fixture
def board() -> Board:
    board = Board()
    assert board.power_w is None  # nobody told anything yet
    board.tell()
    assert board.power_w is None  # one reading is no power
    return board


def test_the_mean_since_the_last_look(board: Board) -> None:
    board.read(4.0, 0.1)
    board.read(8.0, 0.3)
    assert board.power_w == pytest.approx(7.0)
    board.read(2.0, 0.5)
    assert board.power_w == pytest.approx(2.0)
    assert board.meter.total_j == pytest.approx(3.8)


def test_nothing_drawn_is_0_and_is_known(board: Board) -> None:
    board.read(0.0, 0.2)
    assert board.power_w == 0.0


def test_looks_between_two_readings_see_the_last_watts(board: Board) -> None:
    board.read(5.0, 1.0)
    for _ in range(3):
        assert board.power_w == pytest.approx(5.0)
        board.now += 0.2
    board.read(7.0, 0.4)
    assert board.power_w == pytest.approx(7.0)


def test_a_meter_that_falls_silent_is_not_believed_for_long(board: Board) -> None:
    board.read(5.0, 1.0)
    assert board.power_w == pytest.approx(5.0)
    board.now += HOLD_S
    assert board.power_w == pytest.approx(5.0)
    board.now += 0.1
    assert board.power_w is None
    board.now += 100.0
    assert board.power_w is None


def test_readings_that_are_missing_are_no_watts(board: Board) -> None:
    board.read(5.0, 1.0)
    assert board.power_w == pytest.approx(5.0)
    for _ in range(20):
        board.read(None, 0.2)
    assert board.power_w is None
    board.read(None, 0.2)
    assert board.power_w is None
    board.read(6.0, 0.2)
    assert board.power_w == pytest.approx(6.0)
    assert board.meter.total_j == pytest.approx(6.2)


def test_some_missing_readings_leave_the_mean_of_the_others(board: Board) -> None:
    board.read(5.0, 0.2)
    board.read(None, 0.2)
    board.read(7.0, 0.2)
    assert board.power_w == pytest.approx(6.0)


def test_a_counter_that_was_not_read_for_long_tells_the_mean_of_all_of_it(board: Board) -> None:
    board.read(5.0, 1.0)
    assert board.power_w == pytest.approx(5.0)
    board.now += 10.0
    assert board.power_w is None
    board.now -= 10.0
    board.read(9.0, 11.0)
    assert board.power_w == pytest.approx(9.0)
    assert board.meter.total_j == pytest.approx(104.0)


@pytest.mark.parametrize("change", ["quality", "rails"])
def test_another_meter_begins_anew_and_joules_go_on(board: Board, change: str) -> None:
    board.read(5.0, 2.0)
    assert board.power_w == pytest.approx(5.0)
    setattr(board, change, {"quality": "modelled", "rails": ("PMIC",)}[change])
    board.energy = Energy(1000.0, 400.0)  # all that it counted before it was ours
    board.tell()
    assert board.power_w is None
    board.read(3.0, 1.0)
    assert board.power_w == pytest.approx(3.0)
    assert board.meter.total_j == pytest.approx(13.0)


@pytest.mark.parametrize("looks", [True, False])
def test_a_meter_that_is_found_again_counts_from_nothing(board: Board, looks: bool) -> None:
    """As after a look at the board that found more: the same rails, read anew."""
    board.read(5.0, 0.5)
    assert board.power_w == pytest.approx(5.0)
    board.read(5.0, 1.0)
    board.energy = Energy()
    board.tell()
    if looks:
        assert board.power_w is None
    board.read(3.0, 0.75)  # more seconds than it had at the last look
    assert board.power_w == pytest.approx(3.0)
    assert board.meter.total_j == pytest.approx(9.75)
