"""Zones that say the same whatever happens, and steady ones that are to be believed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.track import StuckZones

Value = Callable[[float], float | None]


def after(
    seconds: float, *zones: Value, known: StuckZones | None = None, start_s: float = 0.0
) -> StuckZones:
    """Zones read twice a second, each a function of the time."""
    known = known or StuckZones(len(zones))
    for half in range(round(2 * seconds)):
        time_s = start_s + half / 2
        known.take(time_s, [(number, zone(time_s)) for number, zone in enumerate(zones)])
    return known


def still(value: float) -> Value:
    return lambda time_s: value


def ramp(from_c: float, to_c: float, seconds: float, step_c: float = 0.5) -> Value:
    """Warms up evenly, then stays; read in steps."""

    def value(time_s: float) -> float:
        share = min(1.0, time_s / seconds)
        return round((from_c + share * (to_c - from_c)) / step_c) * step_c

    return value


@pytest.mark.parametrize("value", [97.5, 41.0, 20.0, 100.0])
def test_a_zone_that_stays_while_another_moves_is_not_believed(value: float) -> None:
    known = after(120.0, ramp(70.0, 85.0, 60.0), still(value))
    assert list(known.reasons) == [1]
    assert f"{value:g} °C to the last digit" in known.reasons[1]


def test_it_is_believed_until_the_others_were_far_for_half_a_minute() -> None:
    known = after(75.0, ramp(70.0, 85.0, 60.0), still(97.5))
    assert known.reasons == {}


def test_it_is_believed_again_once_it_changes() -> None:
    known = after(120.0, ramp(70.0, 85.0, 60.0), still(97.5))
    known.take(120.0, [(1, 97.0)])
    assert known.reasons == {}
    after(60.0, still(85.0), still(97.0), known=known, start_s=121.0)
    assert known.reasons == {}  # nothing has moved since


@pytest.mark.parametrize("value", [100.0, 125.0, 127.0])
def test_a_placeholder_is_not_believed_from_the_first_reading_on(value: float) -> None:
    known = after(0.5, still(31.0), still(value), still(30.0))
    assert list(known.reasons) == [1]
    assert after(0.5, still(31.0), still(value + 0.5)).reasons == {}  # that is no round figure
    known.take(1.0, [(1, value - 0.5)])
    assert known.reasons == {}
    after(1.0, still(31.0), still(value), still(30.0), known=known, start_s=2.0)
    assert known.reasons == {}  # it has said something else


def test_a_processor_at_its_limit_is_believed() -> None:
    """All of it, with one core that is idle."""
    assert after(300.0, still(100.0), still(100.0), still(66.0)).reasons == {}
    assert after(300.0, still(100.0), still(74.0)).reasons == {}


def test_a_lone_zone_is_believed_whatever_it_says() -> None:
    assert after(300.0, still(100.0)).reasons == {}
    assert after(300.0, still(100.0), lambda time_s: None).reasons == {}


def test_a_zone_that_cannot_be_read_at_times_neither_moves_nor_changes() -> None:
    known = after(200.0, ramp(60.0, 90.0, 120.0), lambda t: None if t % 10 < 5 else 97.5)
    assert list(known.reasons) == [1]
    gone = after(200.0, lambda t: None if t > 1 else 40.0, still(60.0))
    assert gone.reasons == {}


def test_a_reading_that_a_bus_garbles_moves_nothing() -> None:
    known = after(300.0, lambda t: 90.0 if t in (50.0, 120.0, 200.0) else 50.0, still(55.0))
    assert known.reasons == {}


@pytest.mark.parametrize("step_c", [0.125, 0.5, 1.0, 2.0])
def test_a_part_of_the_chip_that_follows_slowly_and_little_is_believed(step_c: float) -> None:
    """It warms by a quarter of what the cores do, in four times their time."""
    cores = ramp(45.0, 85.0, 20.0)
    known = after(600.0, cores, ramp(45.0, 55.0, 80.0, step_c))
    assert known.reasons == {}


def test_bursts_move_nothing() -> None:
    """A processor of a PC jumps by 20 K within a second, and what is beside it does not."""
    assert after(600.0, lambda t: 75.0 if t % 3 < 1 else 55.0, still(48.0)).reasons == {}


def test_a_part_that_is_at_rest_at_a_load_just_when_that_begins_is_believed() -> None:
    """Its last change was at another load, whose heat is gone after a second."""
    known = after(600.0, lambda t: 70.0 if t < 2 else 55.0, lambda t: 48.0 if t < 1 else 49.0)
    assert known.reasons == {}


@given(st.integers(0, 2**32), st.sampled_from([0.125, 0.5, 1.0]))
def test_no_zone_of_a_chip_under_any_load_is_ever_left_out(seed: int, step_c: float) -> None:
    """Two parts with heat of their own that comes and goes, and heat that they share."""
    chance, temps = random.Random(seed), [40.0, 40.0, 40.0]
    known, load = StuckZones(3), [0.0, 0.0]
    for second in range(600):
        if chance.random() < 0.05:
            load = [chance.choice((0.0, 5.0, 15.0)), chance.choice((0.0, 2.0))]
        body_c = temps[2]
        temps[2] += (sum(load) * 1.5 + 40.0 - body_c) / 60.0
        for part in (0, 1):
            temps[part] += (body_c + load[part] - temps[part]) / 3.0
        known.take(float(second), [(n, round(c / step_c) * step_c) for n, c in enumerate(temps)])
        assert known.reasons == {}
