"""The leakage that made the readings is found again, or the reason why it cannot be is told."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.thermal.cooling import SPAN_C, LeakageFit, Rejected, calibrate
from edge_rt.thermal.curve import Idle
from edge_rt.thermal.leakage import Leakage


def cooled(leakage: Leakage, floor_w: float, low_c: float, high_c: float) -> list[Idle]:
    count = round((high_c - low_c) / 0.25) + 1
    temps = [low_c + (high_c - low_c) * n / (count - 1) for n in range(count)]
    return [Idle(temp_c, floor_w + leakage.power_w(temp_c)) for temp_c in temps]


def accepted(samples: list[Idle]) -> LeakageFit:
    found = calibrate(samples)
    assert isinstance(found, LeakageFit), found
    return found


def reason(samples: list[Idle]) -> str:
    found = calibrate(samples)
    assert isinstance(found, Rejected)
    return found.reason


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.05, 5.0), st.floats(9.0, 36.0), st.floats(0.0, 20.0), st.floats(20.0, 50.0),
    st.floats(20.0, 45.0),
)  # fmt: skip
def test_without_noise_the_leakage_is_found_exactly(
    reference_w: float, doubling_c: float, floor_w: float, low_c: float, span_c: float
) -> None:
    fit = accepted(cooled(Leakage(reference_w, doubling_c), floor_w, low_c, low_c + span_c))
    assert fit.leakage.doubling_c == pytest.approx(doubling_c, rel=5e-3)
    assert fit.leakage.reference_w == pytest.approx(reference_w, rel=5e-3)
    assert fit.floor_w == pytest.approx(floor_w, abs=0.01 * reference_w + 1e-6)
    assert fit.r2 > 0.9999
    assert fit.span_c == pytest.approx(span_c)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 999))
def test_the_order_of_readings_does_not_matter(seed: int) -> None:
    dice = random.Random(seed)
    samples = [
        Idle(s.temp_c, s.power_w + dice.gauss(0.0, 0.01))
        for s in cooled(Leakage(0.5), 3.0, 40.0, 70.0)
    ]
    before = calibrate(samples)
    dice.shuffle(samples)
    assert calibrate(samples) == before


@pytest.mark.parametrize("doubling_c", [15.0, 20.0, 27.0])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(doubling_c: float) -> None:
    held, dice = 0, random.Random(7)
    for _ in range(40):
        samples = [
            Idle(s.temp_c, s.power_w + dice.gauss(0.0, 0.01))
            for s in cooled(Leakage(0.6, doubling_c), 3.0, 40.0, 72.0)
        ]
        fit = accepted(samples)
        held += fit.doubling_low_c <= doubling_c <= fit.doubling_high_c
    assert held >= 35


def test_more_noise_makes_the_interval_wider_and_the_fit_looser() -> None:
    dice = random.Random(3)
    clean = cooled(Leakage(0.6), 3.0, 40.0, 72.0)
    shakes = [dice.gauss(0.0, 1.0) for _ in clean]
    fits = [
        accepted([Idle(s.temp_c, s.power_w + w * x) for s, x in zip(clean, shakes, strict=True)])
        for w in (0.001, 0.01, 0.03)
    ]
    widths = [fit.doubling_high_c / fit.doubling_low_c for fit in fits]
    assert widths == sorted(widths)
    assert [fit.r2 for fit in fits] == sorted((fit.r2 for fit in fits), reverse=True)


def test_bursts_of_other_programs_are_left_out() -> None:
    dice, truth = random.Random(5), Leakage(0.6, 18.0)
    samples = [
        Idle(
            s.temp_c,
            s.power_w + dice.gauss(0.0, 0.003) + dice.choice((0, 0, 0, 0, 0, 0, 0, 0, 0.1, 1.5)),
        )
        for _ in range(4)
        for s in cooled(truth, 3.0, 40.0, 70.0)
    ]
    fit = accepted(samples)
    assert fit.leakage.doubling_c == pytest.approx(18.0, rel=0.1)
    assert fit.floor_w == pytest.approx(3.0, abs=0.05)
    assert fit.samples < 0.85 * len(samples)


def test_a_long_rest_does_not_outweigh_the_way_there() -> None:
    truth = Leakage(0.6, 18.0)
    way = [Idle(s.temp_c, round(s.power_w / 0.04) * 0.04) for s in cooled(truth, 3.0, 42.0, 75.0)]
    rest = [way[0]] * 5000
    assert accepted(way + rest).leakage.doubling_c == pytest.approx(
        accepted(way + rest[:20]).leakage.doubling_c, rel=0.02
    )


def test_readings_at_two_voltages_fit_together() -> None:
    truth = Leakage(0.6, 18.0)
    samples = [
        Idle(t, 3.0 + truth.power_w(t, voltage), voltage)
        for t in range(40, 71)
        for voltage in ((0.8,) if t % 2 else (1.0,))
    ]
    fit = accepted(samples)
    assert fit.leakage.doubling_c == pytest.approx(18.0, rel=1e-3)
    assert fit.leakage.reference_w == pytest.approx(0.6, rel=1e-3)


def test_too_little_cooling_is_rejected_with_the_span() -> None:
    assert "14.0 K" in reason(cooled(Leakage(0.5), 3.0, 50.0, 64.0))
    assert accepted(cooled(Leakage(0.5), 3.0, 50.0, 50.0 + SPAN_C))


def test_too_few_temperatures_are_rejected() -> None:
    assert "no readings" in reason([])
    assert "temperatures" in reason([Idle(t, 3.0) for t in (40.0, 50.0, 60.0)])


def test_a_board_that_worked_is_rejected() -> None:
    rising = [Idle(s.temp_c, 5.0 - s.power_w) for s in cooled(Leakage(0.3), 3.0, 40.0, 70.0)]
    assert "not idle" in reason(rising)
    assert "idle" in reason([Idle(t, 3.0) for t in range(40, 71)])
    dice = random.Random(1)
    wild = [Idle(s.temp_c, dice.uniform(3.0, 9.0)) for s in cooled(Leakage(0.3), 3.0, 40.0, 70.0)]
    assert "idle" in reason(wild)


@pytest.mark.parametrize("doubling_c", [4.0, 80.0])
def test_what_no_chip_does_is_rejected(doubling_c: float) -> None:
    assert "8 to 40 K" in reason(cooled(Leakage(0.3, doubling_c), 3.0, 30.0, 75.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Idle, st.floats(), st.floats(), st.floats()), max_size=40))
def test_no_readings_raise(samples: list[Idle]) -> None:
    assert isinstance(calibrate(samples), LeakageFit | Rejected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_readings_of_a_warm_board_give_a_fit_within_bounds_or_a_reason(
    data: st.DataObject,
) -> None:
    powers = st.sampled_from((0.0, 1e-9, 1.0, 3.0, 3.04, 1e4)) | st.floats(0.0, 50.0)
    samples = [Idle(float(t), data.draw(powers)) for t in range(40, 65)]
    found = calibrate(samples)
    if isinstance(found, LeakageFit):
        assert 8.0 < found.leakage.doubling_c < 40.0
        assert found.doubling_low_c <= found.leakage.doubling_c <= found.doubling_high_c
        assert found.leakage.reference_w > 0.0
        assert found.floor_w >= 0.0


def test_what_is_no_number_is_ignored() -> None:
    clean = cooled(Leakage(0.6, 18.0), 3.0, 40.0, 70.0)
    broken = [Idle(math.nan, 3.0), Idle(50.0, math.inf), Idle(-256.0, 3.0), Idle(50.0, -1.0)]
    assert calibrate(clean + broken) == calibrate(clean)
