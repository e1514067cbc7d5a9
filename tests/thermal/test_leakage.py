"""Leakage doubles, leaves less for work with heat, and is learnt from rests and constant work."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.thermal.leakage import (
    Block,
    Leakage,
    LeakageFit,
    LeakagePrior,
    Slope,
    critical_c,
    fit_leakage,
    phi,
    slopes_of,
)

LEAKAGES = st.builds(Leakage, st.floats(0.001, 50.0), st.floats(8.0, 40.0))
TEMPS_C = st.floats(-20.0, 120.0)
RATIOS = st.floats(0.3, 4.0)

DRIFT = 0.0008
PRIOR = LeakagePrior(3.0)


@given(LEAKAGES, TEMPS_C, RATIOS)
def test_a_doubling_and_the_voltage_multiply_the_power(
    leakage: Leakage, temp_c: float, ratio: float
) -> None:
    once_w = leakage.power_w(temp_c)
    assert leakage.power_w(temp_c + leakage.doubling_c) == pytest.approx(2.0 * once_w)
    assert leakage.power_w(temp_c, ratio) == pytest.approx(ratio * once_w)
    assert leakage.power_w(45.0) == leakage.reference_w
    assert leakage.growth_w == pytest.approx(leakage.power_w(70.0) - leakage.power_w(45.0))


@given(LEAKAGES, TEMPS_C, RATIOS)
def test_the_slope_is_the_derivative(leakage: Leakage, temp_c: float, ratio: float) -> None:
    step_c = 1e-3
    higher_w = leakage.power_w(temp_c + step_c, ratio)
    lower_w = leakage.power_w(temp_c - step_c, ratio)
    numeric = (higher_w - lower_w) / (2.0 * step_c)
    assert leakage.slope_w_per_c(temp_c, ratio) == pytest.approx(numeric, rel=1e-6)


@given(LEAKAGES, st.floats(0.01, 100.0), TEMPS_C, st.floats(0.1, 50.0))
def test_the_yield_is_a_share_that_falls_with_heat(
    leakage: Leakage, dynamic_w: float, temp_c: float, more_c: float
) -> None:
    cool, hot = phi(leakage, dynamic_w, temp_c), phi(leakage, dynamic_w, temp_c + more_c)
    assert 0.0 < hot < cool <= 1.0


def test_the_yield_is_all_without_leakage_and_nothing_without_work() -> None:
    assert phi(Leakage(0.0), 3.0, 60.0) == 1.0
    assert phi(Leakage(1.0), 0.0, 60.0) == 0.0
    assert phi(Leakage(0.0), 0.0, 60.0) == 0.0


def test_absurd_heat_is_a_number_all_the_same() -> None:
    assert Leakage(1.0).power_w(1e9) > 1e100


@given(LEAKAGES, st.floats(0.1, 20.0), RATIOS)
def test_at_the_critical_temperature_each_degree_heats_by_another_one(
    leakage: Leakage, resistance_c_per_w: float, ratio: float
) -> None:
    at_c = critical_c(leakage, resistance_c_per_w, ratio)
    assert resistance_c_per_w * leakage.slope_w_per_c(at_c, ratio) == pytest.approx(1.0)
    assert critical_c(Leakage(0.0), resistance_c_per_w) == math.inf


# --- slopes


def course(temps_c: Sequence[float], leakage: Leakage, dice: random.Random) -> list[Block]:
    """A board with a floor of 2.5 W whose supply has a noise of 2 mW over ten seconds."""
    return [
        Block(t, 2.5 + DRIFT * (t - 45.0) + leakage.power_w(t) + dice.gauss(0.0, 0.002))
        for t in temps_c
    ]


def cooling(begin_c: float, end_c: float, blocks: int = 60) -> list[float]:
    """Fast at first, then ever more slowly."""
    return [end_c + (begin_c - end_c) * math.exp(-n / 18.0) for n in range(blocks)]


def test_a_rest_gives_the_slope_where_it_holds() -> None:
    leakage = Leakage(0.4, 18.0)
    (slope,) = slopes_of(course(cooling(48.0, 40.5), leakage, random.Random(1)))
    assert 40.5 < slope.temp_c < 48.0
    truth = DRIFT + leakage.slope_w_per_c(slope.temp_c)
    assert slope.w_per_c == pytest.approx(truth, rel=0.05)


def test_a_long_cooling_gives_several_slopes_that_fall_with_the_temperature() -> None:
    leakage = Leakage(0.4, 18.0)
    slopes = slopes_of(course(cooling(75.0, 40.0), leakage, random.Random(1)))
    assert len(slopes) >= 2
    assert [s.w_per_c for s in slopes] == sorted((s.w_per_c for s in slopes), reverse=True)


@pytest.mark.parametrize("jump_w", [-0.3, -0.03, 0.03, 0.3])
def test_a_program_that_begins_or_ends_does_not_change_the_slope(jump_w: float) -> None:
    leakage = Leakage(0.4, 18.0)
    blocks = course(cooling(50.0, 40.0), leakage, random.Random(2))
    blocks[12:40] = [b._replace(power_w=b.power_w + jump_w) for b in blocks[12:40]]
    slopes = slopes_of(blocks)
    assert slopes
    for slope in slopes:
        truth = DRIFT + leakage.slope_w_per_c(slope.temp_c)
        assert slope.w_per_c == pytest.approx(truth, rel=0.2)


@pytest.mark.parametrize("temps_c", [[45.0] * 60, cooling(45.0, 43.9), cooling(60.0, 40.0, 3)])
def test_a_rest_that_is_short_or_at_one_temperature_tells_nothing(temps_c: list[float]) -> None:
    assert slopes_of(course(temps_c, Leakage(0.4), random.Random(3))) == []


def test_what_no_leakage_can_be_is_left_out() -> None:
    steep = [Block(40.0 + 0.2 * n, 2.0 + 0.05 * n) for n in range(30)]
    assert slopes_of(steep) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.builds(Block, st.floats(-60, 200), st.floats(0, 1e4)), max_size=40))
def test_no_readings_raise(blocks: list[Block]) -> None:
    found = fit_leakage(slopes_of(blocks), PRIOR)
    assert math.isfinite(found.leakage.reference_w)
    assert 0.0 <= found.growth_w.low <= found.growth_w.middle <= found.growth_w.high
    assert found.floor_w >= 0.0


# --- the fit


def rests(
    leakage: Leakage, count: int = 40, seed: int = 1, drift: float = DRIFT, at_work: bool = False
) -> Iterator[Slope]:
    """Of a day with a fan: none goes over more than 10 K, and each has a floor of its own."""
    dice = random.Random(seed)
    for _ in range(count):
        end_c, span_c = dice.uniform(32.0, 44.0), dice.uniform(4.0, 10.0)
        rise_w = dice.uniform(0.0, 0.2) + (4.0 if at_work else 0.0)
        blocks = [
            b._replace(power_w=b.power_w + (drift - DRIFT) * (b.temp_c - 45.0) + rise_w)
            for b in course(cooling(end_c + span_c, end_c), leakage, dice)
        ]
        yield from slopes_of(blocks, at_work)


def fit(*slopes: Slope, prior: LeakagePrior = PRIOR) -> LeakageFit:
    return fit_leakage(slopes, prior)


@pytest.mark.parametrize("doubling_c", [16.0, 20.0, 25.0])
@pytest.mark.parametrize("reference_w", [0.1, 0.3, 0.9])
def test_rests_of_a_day_with_a_fan_measure_it(reference_w: float, doubling_c: float) -> None:
    truth = Leakage(reference_w, doubling_c)
    found = fit(*rests(truth))
    assert found.source == "measured", found
    assert found.missing is None
    near_w = max(0.15 * truth.growth_w, 0.02 * 2.8)
    assert found.growth_w.middle == pytest.approx(truth.growth_w, abs=near_w)
    assert found.growth_w.low <= truth.growth_w <= found.growth_w.high
    assert found.doubling_c.low <= doubling_c <= found.doubling_c.high
    assert found.seen_c is not None
    assert 32.0 < found.seen_c[0] < found.seen_c[1] < 54.0


def test_without_slopes_the_prior_is_assumed_and_said_to_be() -> None:
    found = fit(prior=LeakagePrior(4.0))
    assert (found.source, found.seen_c) == ("assumed", None)
    assert found.leakage.doubling_c == pytest.approx(20.0)
    assert found.leakage.reference_w == pytest.approx(0.4)  # a tenth of the idle draw
    assert found.floor_w == pytest.approx(3.6)
    assert "not been seen" in (found.missing or "")
    own = fit(prior=LeakagePrior(4.0, 0.7))
    assert own.leakage.reference_w == pytest.approx(0.7)  # the profile's


def test_one_short_rest_leaves_it_assumed_and_says_by_how_much() -> None:
    truth = Leakage(0.3)
    found = fit(*rests(truth, count=1))
    assert found.source == "assumed"
    assert "leave its growth open by" in (found.missing or "")
    assert found.growth_w.low <= truth.growth_w <= found.growth_w.high


def test_more_rests_narrow_the_interval() -> None:
    widths = list[float]()
    for count in (1, 4, 16, 64):
        growth_w = fit(*rests(Leakage(0.3), count)).growth_w
        widths.append(growth_w.high - growth_w.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.5 * widths[0]


@pytest.mark.parametrize("drift", [0.0, 0.0008, 0.0016])
def test_what_regulators_lose_more_as_they_warm_is_inside_the_interval(drift: float) -> None:
    truth = Leakage(0.3)
    found = fit(*rests(truth, drift=drift))
    assert found.growth_w.low <= truth.growth_w <= found.growth_w.high


def test_work_tells_the_leakage_of_a_chip_at_work() -> None:
    slopes = [*rests(Leakage(0.3, 18.0)), *rests(Leakage(0.99, 18.0), seed=2, at_work=True)]
    assert fit(*slopes).work_ratio == pytest.approx(3.3, rel=0.15)
    assert fit(*rests(Leakage(0.3, 18.0))).work_ratio == 2.5  # assumed


def test_work_alone_tells_it_roughly() -> None:
    truth = Leakage(0.3, 18.0)
    found = fit(*rests(Leakage(0.8, 18.0), at_work=True))
    assert found.growth_w.low <= truth.growth_w <= found.growth_w.high
    assert found.growth_w.high < 0.5 * fit().growth_w.high


def test_steps_of_a_coarse_sensor_hide_it() -> None:
    found = fit(*rests(Leakage(0.3)), prior=LeakagePrior(3.0, step_w=0.4))
    assert found.source == "assumed"
    assert "steps of 0.4 W" in (found.missing or "")
    assert found.leakage.reference_w == pytest.approx(0.28, rel=0.1)  # of the board's own power
    fine = fit(*rests(Leakage(0.3)), prior=LeakagePrior(3.0, step_w=0.04))
    assert fine.source == "measured"


def test_power_that_falls_as_the_board_warms_is_no_leakage() -> None:
    slopes = [Slope(40.0 + n % 9, -0.02, 4.0, 3.0, False) for n in range(40)]
    found = fit(*slopes)
    assert found.source == "assumed"
    assert "does not grow" in (found.missing or "")
    assert found.leakage == fit().leakage


def test_intervals_hold_the_truth() -> None:
    """Of boards whose leakage, drift and noise are drawn as the priors have them."""
    dice, held = random.Random(5), list[bool]()
    for seed in range(60):
        truth = Leakage(0.3 * dice.uniform(0.3, 3.0), 20.0 * math.exp(dice.gauss(0.0, 0.22)))
        drift = max(0.0, 2.8 * dice.gauss(3e-4, 2e-4))
        growth_w = fit(*rests(truth, dice.randint(3, 30), seed, drift)).growth_w
        held.append(growth_w.low <= truth.growth_w <= growth_w.high)
    assert fmean(held) >= 0.9
