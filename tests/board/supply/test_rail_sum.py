"""A sum of rails counts only time that every rail covers, with all the joules of that time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.integral import CounterMeter, Energy, Integral, RailSum

Reading = float | None
WATTS = st.one_of(st.none(), st.floats(0.0, 50.0))


def summed(rows: list[list[Reading]], step_s: float = 0.5) -> list[Energy]:
    """The sum's meter after each row of readings, one for each rail."""
    meters = [Integral(gap_s=10.0) for _ in rows[0]]
    total, told = RailSum([meter.total() for meter in meters]), list[Energy]()
    for beat, row in enumerate(rows):
        for meter, value in zip(meters, row, strict=True):
            meter.add(beat * step_s, value)
        total.add([meter.total() for meter in meters])
        told.append(total.total)
    return told


@given(st.lists(st.lists(WATTS, min_size=3, max_size=3), min_size=1, max_size=30))
def test_it_is_the_meter_of_the_sum(rows: list[list[Reading]]) -> None:
    meter = Integral(gap_s=10.0)
    for beat, (row, told) in enumerate(zip(rows, summed(rows), strict=True)):
        known = [value for value in row if value is not None]
        meter.add(beat * 0.5, sum(known) if len(known) == len(row) else None)
        total = meter.total()
        assert told.energy_j == pytest.approx(total.energy_j)
        assert told.covered_s == pytest.approx(total.covered_s)
        assert told.missing_s == pytest.approx(total.missing_s)


@given(st.lists(WATTS, min_size=1, max_size=30))
def test_of_one_rail_it_is_the_rails_own(readings: list[Reading]) -> None:
    meter = Integral(gap_s=10.0)
    for beat, (reading, told) in enumerate(
        zip(readings, summed([[reading] for reading in readings]), strict=True)
    ):
        meter.add(beat * 0.5, reading)
        assert told == meter.total()


def test_counters_make_up_for_a_gap() -> None:
    one, two = CounterMeter(), CounterMeter()
    total = RailSum([one.total(), two.total()])
    for beat in range(10):
        one.add(beat, 3.0 * beat)
        two.add(beat, None if 3 <= beat <= 6 else 4.0 * beat)
        total.add([one.total(), two.total()])
        assert total.total.energy_j == pytest.approx(7.0 * total.total.covered_s)
        assert total.total.covered_s + total.total.missing_s == beat
    assert total.total == Energy(63.0, 9.0, 0.0)


def test_a_counter_that_starts_anew_takes_the_others_joules_along() -> None:
    one, two = CounterMeter(), CounterMeter()
    total = RailSum([one.total(), two.total()])
    for beat in range(10):
        one.add(beat, 3.0 * beat)
        two.add(beat, None if 3 <= beat <= 6 else 4.0 * beat if beat < 3 else 4.0 * (beat - 7))
        total.add([one.total(), two.total()])
    assert total.total == Energy(28.0, 4.0, 5.0)


def test_rails_that_are_read_at_other_times_keep_in_step() -> None:
    """The first one sets the pace; the other is read in between and fails now and then."""
    slow, fast = Integral(gap_s=1.5), Integral(gap_s=0.3)
    total = RailSum([slow.total(), fast.total()])
    for beat in range(400):
        now = beat * 0.125
        fast.add(now, None if beat % 80 == 79 else 5.0)
        if beat % 4 == 3 or beat % 50 == 9:  # on its beat, and in a hurry
            slow.add(now, 2.0)
            total.add([slow.total(), fast.total()])
    told = total.total
    assert told.energy_j == pytest.approx(7.0 * told.covered_s, rel=0.02)
    assert told.covered_s + told.missing_s == pytest.approx(slow.total().covered_s)
    assert told.covered_s > 40.0
