"""Readings come in order, and without what cannot be true."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.readings import GAP_S, ReadingFilter, ThermalReading


def started(**kwargs: float) -> ReadingFilter:
    """After two looks at 50 °C and 5 W, at 0.0 and 0.2 s."""
    intake = ReadingFilter(**kwargs)
    for time_s in (0.0, 0.2):
        intake.take(time_s, 50.0, 5.0, 0.5)
    return intake


def taken(
    intake: ReadingFilter,
    time_s: float,
    temp_c: float | None = 50.0,
    power_w: float | None = 5.0,
    fan: float | None = 0.5,
) -> ThermalReading:
    reading = intake.take(time_s, temp_c, power_w, fan)
    assert reading is not None
    return reading


def test_a_first_temperature_counts_once_the_second_agrees() -> None:
    intake = ReadingFilter()
    assert taken(intake, 0.0, 50.0).temp_c is None
    assert taken(intake, 0.2, 50.5).temp_c == 50.5


def test_nothing_comes_of_temperatures_alone() -> None:
    intake = ReadingFilter()
    assert intake.take(0.0, 50.0, None, None) is None
    assert intake.take(0.2, 50.0, None, None) is None
    assert intake.temp_c == 50.0


@pytest.mark.parametrize("time_s", [0.2, 0.1, 0.2005, math.nan, math.inf, -math.inf])
def test_what_is_out_of_order_is_left_out(time_s: float) -> None:
    intake = started()
    assert intake.take(time_s, 50.0, 5.0, 0.5) is None
    assert taken(intake, 0.4).dt_s == pytest.approx(0.2)


@pytest.mark.parametrize("time_s", [0.2 + GAP_S + 0.1, -1e6])
def test_after_a_long_time_or_with_another_clock_it_starts_anew(time_s: float) -> None:
    reading = taken(started(), time_s, 90.0)
    assert reading.gap
    assert reading.temp_c == 90.0
    assert not taken(started(), 0.2 + GAP_S - 0.1).gap


@pytest.mark.parametrize("power_w", [None, math.nan, math.inf, -math.inf, -11.0, 60.0])
def test_without_power_the_last_one_goes_on_and_is_not_known(power_w: float | None) -> None:
    reading = taken(started(most_w=50.0), 0.4, power_w=power_w)
    assert reading.power_w == 5.0
    assert not reading.known
    assert reading.temp_c == 50.0


def test_a_little_below_nothing_is_nothing() -> None:
    reading = taken(started(), 0.4, power_w=-0.2)
    assert reading.power_w == 0.0
    assert reading.known


@pytest.mark.parametrize(
    ("told", "held"), [(None, 0.5), (math.nan, 0.5), (-1.0, 0.0), (7.0, 1.0), (0.0, 0.0)]
)
def test_the_fan_goes_on_as_it_was_within_its_range(told: float | None, held: float) -> None:
    assert taken(started(), 0.4, fan=told).fan == held


@pytest.mark.parametrize("temp_c", [None, math.nan, math.inf, -100.0, 0.0, 99.0])
def test_one_strange_temperature_does_not_count(temp_c: float | None) -> None:
    intake = started()
    assert taken(intake, 0.4, temp_c).temp_c is None
    assert intake.blind_s == pytest.approx(0.2)
    assert taken(intake, 0.6, 50.5).temp_c == 50.5
    assert intake.blind_s == 0.0


def test_the_same_strange_temperature_twice_counts() -> None:
    intake = started()
    taken(intake, 0.4, 90.0)
    assert taken(intake, 0.6, 91.0).temp_c == 91.0


def test_blindness_is_the_time_since_the_last_temperature() -> None:
    intake = started()
    for number in range(2, 12):
        taken(intake, 0.2 * number, None)
    assert intake.blind_s == pytest.approx(2.0)


def test_the_grain_is_the_smallest_step() -> None:
    intake, time_s = started(), 0.2
    assert intake.grain_c == 1.0  # until more is known
    for temp_c in (50.0, 50.55, 51.65, 51.65, 51.1):
        time_s += 0.2
        taken(intake, time_s, temp_c)
    assert intake.grain_c == pytest.approx(0.55)


def test_coarse_or_hurried_readings_count_for_less() -> None:
    def error_c(step_c: float, dt_s: float) -> float:
        intake = started()
        return [taken(intake, 0.2 + dt_s * n, 50.0 + step_c * n) for n in range(1, 4)][-1].error_c

    assert error_c(0.1, 0.2) < error_c(1.0, 0.2) < error_c(1.0, 0.02)
    assert error_c(1.0, 1.0) == error_c(1.0, 0.2)


numbers = st.floats() | st.none()


@given(st.lists(st.tuples(st.floats(), numbers, numbers, numbers), max_size=30))
def test_whatever_comes_in_only_what_can_be_comes_out(
    looks: list[tuple[float, float | None, float | None, float | None]],
) -> None:
    intake = ReadingFilter()
    for look in looks:
        reading = intake.take(*look)
        if reading is not None:
            assert math.isfinite(reading.dt_s)
            assert reading.gap or 0.0 < reading.dt_s <= GAP_S
            assert reading.temp_c is None or -60.0 <= reading.temp_c <= 200.0
            assert 0.0 <= reading.power_w <= 10_000.0
            assert 0.0 <= reading.fan <= 1.0
            assert 0.0 < reading.error_c < 100.0
        assert intake.blind_s >= 0.0
        assert 0.0 < intake.grain_c <= 1.0
