"""Seconds for hours, means for a day, forecasts beside what came, and gaps where nobody looked."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Guard, Limits, Observation
from edge_rt.core.reports.governor import Past
from edge_rt.governor.history import COARSE_ROWS, COARSE_S, FINE_ROWS, BoardHistory, Moment
from edge_rt.governor.report import GovernorReport

BEGIN = 1_800_000_000.0
HORIZON_S = 30.0
COLUMNS = {field.name for field in dataclasses.fields(Moment)}


def moment(time: float, **changes: Any) -> Moment:
    fields: dict[str, Any] = {
        "power_w": 5.0,
        "temp_c": 50.0,
        "forecast_c": None,
        "band_c": None,
        "allowance_w": None,
        "cap_w": None,
        "trip_c": 80.0,
        "duty": 1.0,
        "threads": 2,
        "guard": "ok",
        "running": 0,
        "waiting": 0,
        "tokens_per_s": 0.0,
    }
    return Moment(time, **{**fields, **changes})


def look(dt_s: float = 0.2, **changes: Any) -> Observation:
    fields: dict[str, Any] = {
        "time_s": 0.0,
        "power_w": 5.0,
        "temp_c": 50.0,
        "trip_c": 80.0,
        "fan": None,
        "threads": 2,
        "busy_s": 0.0,
        "tokens": 0,
        "running": 0,
        "waiting": 0,
        "others": None,
    }
    return Observation(dt_s=dt_s, **{**fields, **changes})


class Board:
    """A history, and the clock by which it is kept."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.history = BoardHistory(HORIZON_S, lambda: self.now)

    def live(self, seconds: int, **changes: Any) -> None:
        """A moment each second; callables are given its number."""
        for number in range(seconds):
            self.now += 1.0
            given = {k: v(number) if callable(v) else v for k, v in changes.items()}
            self.history.add(moment(self.now, **given))

    def past(self, since_s: float = 86_400) -> Past:
        past = self.history.past(since_s)
        lengths = {len(getattr(past, name)) for name in COLUMNS}
        assert lengths == {len(past.time)}  # one entry of each list for one moment
        assert past.time == sorted(set(past.time))
        assert msgspec.json.decode(msgspec.json.encode(past), type=Past) == past
        return past


@pytest.fixture
def board() -> Board:
    return Board()


def test_nothing_yet(board: Board) -> None:
    assert board.past() == Past(HORIZON_S, **{name: [] for name in COLUMNS})


def test_moments_come_back_as_they_were(board: Board) -> None:
    given = moment(
        BEGIN,
        power_w=6.5,
        temp_c=61.0,
        allowance_w=7.8,
        cap_w=8.0,
        trip_c=80.0,
        duty=0.6,
        threads=3,
        guard="hold",
        running=2,
        waiting=1,
        tokens_per_s=21.5,
    )
    board.history.add(given)
    past = board.past()
    assert {name: getattr(past, name) for name in COLUMNS} == {
        name: [value] for name, value in dataclasses.asdict(given).items()
    }
    assert [type(v) for v in (*past.threads, *past.running, *past.waiting)] == [int] * 3


def test_what_is_not_known_is_none_and_nothing_is_0(board: Board) -> None:
    unknown = dict.fromkeys(("power_w", "temp_c", "allowance_w", "cap_w", "trip_c"))
    board.live(1, **unknown)
    board.live(1, power_w=0.0, temp_c=0.0, duty=0.0)
    past = board.past()
    assert past.power_w == [None, 0.0]
    assert past.temp_c == [None, 0.0]
    assert past.duty == [1.0, 0.0]
    assert past.allowance_w == past.cap_w == [None, None]
    assert past.trip_c == [None, 80.0]


@pytest.mark.parametrize("guard", ["ok", "caution", "hold", "evacuate"])
def test_the_guard_is_told_by_its_name(board: Board, guard: Guard) -> None:
    board.live(1, guard=guard)
    assert board.past().guard == [guard]


def test_since_goes_back_from_now(board: Board) -> None:
    board.live(100, power_w=float)
    assert board.past(10).power_w == [float(n) for n in range(89, 100)]
    board.now += 5.5  # nothing was seen since
    assert board.past(10).power_w == [95.0, 96.0, 97.0, 98.0, 99.0]
    assert board.past(5).time == []


def test_seconds_are_kept_for_hours_and_means_for_a_day(board: Board) -> None:
    board.live(FINE_ROWS + 3600, power_w=lambda n: float(n % 10), temp_c=50.0)
    past = board.past()
    coarse = past.time[:-FINE_ROWS]
    assert past.time[-FINE_ROWS:] == [board.now - n for n in reversed(range(FINE_ROWS))]
    assert len(coarse) == pytest.approx(3600 / COARSE_S, abs=1)
    assert {after - before for before, after in pairwise(coarse)} == {COARSE_S}
    assert set(past.power_w[: len(coarse)]) == {4.5}
    assert set(past.power_w[-FINE_ROWS:]) == {float(n) for n in range(10)}


def test_a_day_is_kept_and_no_more(board: Board) -> None:
    most = FINE_ROWS + COARSE_ROWS
    board.live(100_000, power_w=float)
    past = board.past()
    assert len(past.time) <= most
    assert past.time[0] == pytest.approx(board.now - 86_400, abs=COARSE_S)
    assert past.power_w[-1] == 99_999.0
    held = sum(len(ring) * ring.itemsize for ring in (board.history._fine, board.history._coarse))
    assert held < 2_000_000


def test_a_mean_is_of_what_is_known_and_shows_the_worst(board: Board) -> None:
    board.live(
        10,
        power_w=lambda n: None if n < 6 else 8.0,
        temp_c=lambda n: 50.0 + n,
        allowance_w=None,
        cap_w=lambda n: 8.0 if n < 9 else None,
        trip_c=80.0,
        duty=lambda n: n / 10,
        threads=lambda n: 1 if n < 8 else 4,
        guard=lambda n: "hold" if n == 3 else "ok",
        running=lambda n: int(n == 2),
        waiting=lambda n: 3 * (n == 4),
        tokens_per_s=lambda n: 20.0 * (n % 2),
    )
    board.live(FINE_ROWS)
    past = board.past()
    assert past.time[0] == BEGIN + 10
    assert past.power_w[0] == 8.0
    assert past.temp_c[0] == pytest.approx(54.5)
    assert (past.allowance_w[0], past.cap_w[0], past.trip_c[0]) == (None, None, 80.0)
    assert past.duty[0] == pytest.approx(0.45)
    assert past.threads[0] == 2
    assert (past.guard[0], past.running[0], past.waiting[0]) == ("hold", 1, 3)
    assert past.tokens_per_s[0] == pytest.approx(10.0)


def test_a_mean_does_not_reach_over_a_gap(board: Board) -> None:
    board.live(4, power_w=2.0)
    board.now += 3600.0
    board.live(FINE_ROWS + 10, power_w=6.0)
    past = board.past()
    assert past.time[:2] == [BEGIN + 4, BEGIN + 3600 + 14]
    assert past.power_w[:2] == [2.0, 6.0]


# --- forecasts


def test_what_was_forecast_for_a_moment_stands_beside_it(board: Board) -> None:
    board.live(3, forecast_c=lambda n: None if n == 1 else 60.0 + n, band_c=lambda n: n or None)
    past = board.past()
    assert past.horizon_s == HORIZON_S
    assert past.forecast_c == [60.0, None, 62.0]
    assert past.band_c == [None, 1.0, 2.0]


# --- clocks


def test_a_clock_set_back_hides_what_seems_to_come(board: Board) -> None:
    board.live(50, power_w=1.0)
    board.now -= 20.0
    board.live(40, power_w=2.0)
    past = board.past()
    assert past.power_w == [1.0] * 30 + [2.0] * 40
    assert past.time[-1] == board.now


def test_a_clock_that_was_years_ahead(board: Board) -> None:
    board.now += 1e8
    board.live(1000, power_w=1.0)
    board.now = BEGIN
    board.live(3 * FINE_ROWS, power_w=2.0)
    past = board.past()
    assert set(past.power_w) == {2.0}


def test_a_clock_set_forward_leaves_a_gap(board: Board) -> None:
    board.live(5, power_w=1.0)
    board.now += 7200.0
    board.live(5, power_w=2.0)
    assert board.past().power_w == [1.0] * 5 + [2.0] * 5
    assert board.past(3600).power_w == [2.0] * 5


# --- looks of the governor


def take(board: Board, seen: Observation, **limits: Any) -> None:
    board.now += seen.dt_s
    given: dict[str, Any] = {"duty": 0.5, "guard": "caution", "allowance_w": 7.8}
    told = Limits(2, **{**given, **limits})
    report = GovernorReport(forecast_c=66.0, band_c=1.5, due_c=64.0, due_band_c=1.0)
    board.history.take(seen, told, report, BudgetConfig(power_w=8.0))


def test_looks_of_a_second_make_a_moment(board: Board) -> None:
    for number in range(4):
        take(board, look(0.2, power_w=4.0 + number, tokens=number))
    assert board.past().time == []
    take(board, look(0.2, power_w=9.0, tokens=4, temp_c=55.0, running=1, waiting=2), duty=0.25)
    past = board.past()
    assert past.time == [board.now]
    assert past.power_w == [pytest.approx(6.2)]
    assert past.tokens_per_s == [pytest.approx(10.0)]
    assert (past.temp_c, past.running, past.waiting, past.trip_c) == ([55.0], [1], [2], [80.0])
    assert (past.duty, past.threads, past.guard) == ([0.25], [2], ["caution"])
    assert (past.allowance_w, past.cap_w) == ([7.8], [8.0])
    assert (past.forecast_c, past.band_c) == ([64.0], [1.0])  # the report's own is for later


def test_a_look_a_second_is_a_moment_each(board: Board) -> None:
    for _ in range(40):
        take(board, look(1.0))
    past = board.past()
    assert len(past.time) == 40


def test_watts_are_weighed_by_time_and_missing_ones_left_out(board: Board) -> None:
    take(board, look(0.6, power_w=None))
    take(board, look(0.3, power_w=4.0))
    take(board, look(0.1, power_w=8.0))
    take(board, look(1.0, power_w=None))
    past = board.past()
    assert past.power_w == [pytest.approx(5.0), None]


def test_looks_that_come_a_little_early_still_make_a_moment_a_second(board: Board) -> None:
    for _ in range(50):
        take(board, look(0.195))
    assert len(board.past().time) == 10
