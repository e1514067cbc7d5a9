"""The doubt is what the fit's covariance says of a forecast: no more, no less."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from operator import mul

import pytest
from toy_board import steady

from edge_rt.thermal.course import SPANS_S, TIMES_S, reach
from edge_rt.thermal.fit import Fit, ForecastVariance
from edge_rt.thermal.network import Network, ThermalPrior

TRUE = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
PRIOR = ThermalPrior((1.0, 9.0), (3.0, 40.0), 1.5)
FAN = 0.4
ALL = len(TIMES_S)


def watched(seconds: float) -> Fit:
    """After some time at 2 and 7 W in turn."""
    temps = steady(TRUE, 2.0, FAN)
    fit, dice = Fit(PRIOR, temps[0], 0.1), random.Random(4)
    for step in range(round(seconds / 0.2)):
        power_w = 7.0 if step // 100 % 2 else 2.0
        temps = tuple(TRUE.advance(TRUE.chain(0.2, FAN), temps, power_w))
        fit.predict(0.2, power_w, FAN)
        fit.correct(temps[0] + dice.gauss(0.0, 0.1), 0.1)
    return fit


def moved(fit: Fit, index: int, by: float) -> Fit:
    """The same, with one entry of its vector moved."""
    other = Fit(PRIOR, 0.0, 0.1)
    other.temps_c, other.figures = list(fit.temps_c), list(fit.figures)
    n = len(fit.temps_c)
    if index < n:
        other.temps_c[index] += by
    else:
        other.figures[index - n] += by
    return other


def ends_c(fit: Fit, power_w: float, count: int) -> float:
    """The chip's temperature at the last of `count` times, one step for each span."""
    temps, network = fit.temps_c, fit.network
    for span_s in SPANS_S[: count - 1]:
        temps = network.advance(network.chain(span_s, FAN), temps, power_w)
    return temps[0]


@pytest.mark.parametrize("power_w", [0.0, 5.0, 20.0])
@pytest.mark.parametrize("horizon_s", [1.0, 30.0, 600.0])
def test_it_is_the_spread_that_the_covariance_gives_a_forecast(
    power_w: float, horizon_s: float
) -> None:
    fit, count, nudge = watched(120.0), reach(horizon_s), 1e-4
    slopes = [
        (
            ends_c(moved(fit, index, nudge), power_w, count)
            - ends_c(moved(fit, index, -nudge), power_w, count)
        )
        / (2.0 * nudge)
        for index in range(len(fit.covariance))
    ]
    spread = sum(
        slope * sum(map(mul, row, slopes))
        for slope, row in zip(slopes, fit.covariance, strict=True)
    )
    found = ForecastVariance(fit, FAN).deviations_k(power_w, count)
    assert len(found) == count
    assert found[-1] == pytest.approx(math.sqrt(spread), rel=1e-3)


def test_the_more_is_seen_the_less_is_doubted() -> None:
    early, late = (
        ForecastVariance(watched(seconds), FAN).deviations_k(5.0, ALL) for seconds in (10.0, 600.0)
    )
    assert all(b < a for a, b in zip(early[1:], late[1:], strict=True))


def test_what_was_never_tried_is_doubted_most() -> None:
    doubt = ForecastVariance(watched(120.0), FAN)
    usual, far = (doubt.deviations_k(power_w, ALL) for power_w in (5.0, 50.0))
    assert all(b > a for a, b in zip(usual[5:], far[5:], strict=True))


def test_without_any_doubt_about_figures_only_temperatures_count() -> None:
    fit = watched(120.0)
    for row in fit.covariance:
        row[:] = [0.0] * len(row)
    assert ForecastVariance(fit, FAN).deviations_k(50.0, ALL) == [0.0] * ALL
    fit.covariance[0][0] = 4.0
    found = ForecastVariance(fit, FAN).deviations_k(50.0, ALL)
    assert found[0] == 2.0
    assert found == sorted(found, reverse=True)


def test_a_board_of_one_node_has_its_doubts_too() -> None:
    fit = Fit(replace(PRIOR, resistances_c_per_w=(9.0,), capacities_j_per_c=(30.0,)), 40.0, 0.1)
    found = ForecastVariance(fit, FAN).deviations_k(5.0, ALL)
    assert all(map(math.isfinite, found))
    assert found[-1] > found[0]
