"""Energy adds up, is never guessed over a gap, and says what it does not know."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.integral import CounterMeter, Energy, Integral, Meter

GAP_S = 0.3
STEPS = st.lists(
    st.tuples(st.floats(0.001, 1.0), st.one_of(st.none(), st.floats(0.0, 100.0))),
    min_size=1,
    max_size=60,
)
Readings = list[tuple[float, "float | None"]]


def timed(steps: Readings) -> Readings:
    times = itertools.accumulate(elapsed for elapsed, _ in steps)
    return list(zip(times, (value for _, value in steps), strict=True))


def metered(meter: Meter, readings: Readings) -> Energy:
    for time_s, value in readings:
        meter.add(time_s, value)
    return meter.total()


@given(st.floats(0.0, 100.0), st.lists(st.floats(0.01, GAP_S), min_size=1, max_size=50))
def test_constant_power_is_power_times_time(watts: float, steps: list[float]) -> None:
    readings = timed([(step, watts) for step in (1.0, *steps)])
    total = metered(Integral(GAP_S + 1e-6), readings)
    assert total.energy_j == pytest.approx(watts * sum(steps))
    assert total.covered_s == pytest.approx(sum(steps))
    assert total.missing_s == 0.0


@given(STEPS)
def test_every_second_is_covered_or_missing(steps: Readings) -> None:
    readings = timed(steps)
    for meter in (Integral(GAP_S), CounterMeter()):
        total = metered(meter, readings)
        span = readings[-1][0] - readings[0][0]
        assert total.covered_s + total.missing_s == pytest.approx(span, abs=1e-9)


@given(STEPS, st.data())
def test_two_parts_make_the_whole(steps: Readings, data: st.DataObject) -> None:
    readings = timed(steps)
    cut = data.draw(st.integers(0, len(readings) - 1))
    whole = metered(Integral(GAP_S), readings)
    one = metered(Integral(GAP_S), readings[: cut + 1])
    two = metered(Integral(GAP_S), readings[cut:])
    assert one.energy_j + two.energy_j == pytest.approx(whole.energy_j, abs=1e-9)
    assert one.covered_s + two.covered_s == pytest.approx(whole.covered_s, abs=1e-9)
    assert one.missing_s + two.missing_s == pytest.approx(whole.missing_s, abs=1e-9)


@given(STEPS)
def test_energy_only_grows_and_lies_between_least_and_most(steps: Readings) -> None:
    meter, before = Integral(GAP_S), Energy()
    for time_s, value in timed(steps):
        meter.add(time_s, value)
        total = meter.total()
        assert total.energy_j >= before.energy_j
        before = total
    powers = [value for _, value in steps if value is not None] or [0.0]
    assert before.energy_j <= max(powers) * before.covered_s + 1e-9
    assert before.energy_j >= min(powers) * before.covered_s - 1e-9


@given(st.floats(GAP_S + 0.01, 1e6), st.floats(0.0, 100.0))
def test_a_gap_is_never_bridged(gap_s: float, watts: float) -> None:
    total = metered(Integral(GAP_S), [(0.0, watts), (gap_s, watts)])
    assert total == Energy(0.0, 0.0, gap_s)


def test_a_missing_reading_takes_the_time_on_both_sides() -> None:
    readings: Readings = [(0.0, 10.0), (0.1, 10.0), (0.2, None), (0.3, 10.0), (0.4, 10.0)]
    total = metered(Integral(GAP_S), readings)
    assert total.energy_j == pytest.approx(2.0)
    assert total.covered_s == pytest.approx(0.2)
    assert total.missing_s == pytest.approx(0.2)


def test_a_reading_that_is_no_later_counts_for_nothing() -> None:
    total = metered(Integral(GAP_S), [(1.0, 10.0), (1.0, 99.0), (0.5, 99.0), (1.1, 10.0)])
    assert total.energy_j == pytest.approx(1.0)
    again = metered(CounterMeter(), [(1.0, 10.0), (1.0, 99.0), (0.5, 99.0), (1.1, 11.0)])
    assert again.energy_j == pytest.approx(1.0)


def test_joules_never_fall_for_an_offset_below_zero() -> None:
    total = metered(Integral(GAP_S), [(0.0, 1.0), (0.1, 1.0), (0.2, -0.4), (0.3, -0.4)])
    assert total.energy_j == pytest.approx(0.13)
    assert total.covered_s == pytest.approx(0.3)


@given(st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(0.0, 50.0)), min_size=2))
def test_a_counter_is_taken_as_it_counts(steps: list[tuple[float, float]]) -> None:
    counts = list(itertools.accumulate(joules for _, joules in steps))
    times = list(itertools.accumulate(elapsed for elapsed, _ in steps))
    total = metered(CounterMeter(), list(zip(times, counts, strict=True)))
    assert total.energy_j == pytest.approx(counts[-1] - counts[0])
    assert total.covered_s == pytest.approx(times[-1] - times[0])
    assert total.missing_s == 0.0


def test_a_counter_covers_readings_that_failed_once_it_is_back() -> None:
    meter = CounterMeter()
    assert metered(meter, [(0.0, 5.0), (1.0, None), (2.0, None)]).missing_s == 2.0
    assert metered(meter, [(3.0, 11.0)]) == Energy(6.0, 3.0, 0.0)


def test_a_counter_that_starts_anew_leaves_the_window_missing() -> None:
    total = metered(CounterMeter(), [(0.0, 5.0), (1.0, 7.0), (2.0, 0.5), (3.0, 1.5)])
    assert total == Energy(3.0, 2.0, 1.0)
