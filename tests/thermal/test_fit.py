"""The fit finds the figures of a heat path from what a sensor shows of it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_board import steady

from edge_rt.thermal.fit import Fit, heats
from edge_rt.thermal.network import Network, Pair, ThermalPrior

DT_S = 0.2
TRUE = Network((1.5, 6.0), (4.0, 60.0), 2.0, 28.0)
START = steady(TRUE, 2.0, 0.0)
START_C = START[0]
PRIOR = ThermalPrior((1.0, 9.0), (3.0, 40.0), 1.5)
STILL = ThermalPrior((1.0, 9.0), (3.0, 40.0))


def watch(
    fit: Fit,
    seconds: float,
    network: Network = TRUE,
    learn: bool = True,
    temps: Pair = START,
) -> Pair:
    """Let `fit` watch a board under a bursty load; the temperatures at the end."""
    for power_w, fan in load(seconds):
        temps = network.advance(network.step(DT_S, fan), temps, power_w)
        fit.predict(DT_S, power_w, fan, learn)
        fit.correct(round(temps[0] / 0.1) * 0.1, 0.1, learn)
    return temps


def load(seconds: float) -> Iterator[tuple[float, float]]:
    dice, power_w, fan = random.Random(5), 2.0, 0.0
    for _ in range(round(seconds / DT_S)):
        if dice.random() < DT_S / 15.0:
            power_w = dice.uniform(2.0, 8.0)
        if dice.random() < DT_S / 60.0:
            fan = dice.choice((0.0, 0.3, 0.7, 1.0))
        yield power_w, fan


def deviations(fit: Fit) -> list[float]:
    return [math.sqrt(row[index]) for index, row in enumerate(fit.belief.covariance)]


def test_the_figures_are_found() -> None:
    fit = Fit(PRIOR, START_C, 0.1)
    watch(fit, 1200.0)
    found = fit.network
    assert found.resistances_c_per_w == pytest.approx(TRUE.resistances_c_per_w, rel=0.1)
    assert found.capacities_j_per_c == pytest.approx(TRUE.capacities_j_per_c, rel=0.1)
    assert found.fan_gain == pytest.approx(TRUE.fan_gain, rel=0.15)
    assert found.ambient_c == pytest.approx(TRUE.ambient_c, abs=2.0)


def test_what_is_found_is_known_better() -> None:
    fit = Fit(PRIOR, START_C, 0.1)
    before = deviations(fit)
    watch(fit, 300.0)
    assert all(now < then for now, then in zip(deviations(fit)[2:], before[2:], strict=True))


def test_without_power_only_temperatures_follow() -> None:
    fit = Fit(PRIOR, START_C, 0.1)
    before = list(fit.belief.mean[2:])
    watch(fit, 60.0, learn=False)
    assert fit.belief.mean[2:] == before
    assert fit.temps_c[0] == pytest.approx(steady(TRUE, 5.0, 0.0)[0], abs=20.0)


def test_a_fan_that_fails_is_found_after_the_fit_was_loosened() -> None:
    dead = Network(TRUE.resistances_c_per_w, TRUE.capacities_j_per_c, 0.0, TRUE.ambient_c)
    fit = Fit(PRIOR, START_C, 0.1)
    temps = watch(fit, 900.0)
    fit.loosen()
    watch(fit, 900.0, dead, temps=temps)
    assert fit.network.fan_gain < 0.3
    assert fit.network.ambient_c == pytest.approx(dead.ambient_c, abs=4.0)


def test_without_a_fan_none_is_made_up() -> None:
    fit = Fit(STILL, START_C, 0.1)
    watch(fit, 300.0)
    fit.loosen()
    watch(fit, 300.0)
    assert fit.network.fan_gain == 0.0


def test_loosening_never_makes_anything_better_known() -> None:
    for prior in (PRIOR, STILL):
        fit = Fit(prior, START_C, 0.1)
        watch(fit, 300.0)
        before = deviations(fit)
        fit.loosen()
        assert all(now >= then for now, then in zip(deviations(fit), before, strict=True))
        assert deviations(fit) != before


def test_a_long_rest_forgets_nothing_beyond_the_first_guess() -> None:
    fit = Fit(PRIOR, START_C, 0.1)
    before = deviations(fit)
    for _ in range(1000):
        fit.predict(1000.0, 2.0, 0.0)
    assert all(now < 1.5 * then for now, then in zip(deviations(fit)[2:], before[2:], strict=True))


@given(
    st.lists(
        st.tuples(st.floats(-60, 200), st.floats(0, 1e4), st.floats(0, 1), st.booleans()),
        max_size=60,
    ),
    st.sampled_from([PRIOR, STILL]),
    st.floats(0.001, 5.0),
)
def test_nonsense_leaves_figures_that_a_board_could_have(
    readings: list[tuple[float, float, float, bool]], prior: ThermalPrior, dt_s: float
) -> None:
    fit = Fit(prior, START_C, 0.1)
    for temp_c, power_w, fan, learn in readings:
        fit.predict(dt_s, power_w, fan, learn)
        fit.correct(temp_c, 0.1, learn)
    network = fit.network
    assert all(0.0 < r < 1e3 for r in network.resistances_c_per_w)
    assert all(0.0 < c < 1e3 for c in network.capacities_j_per_c)
    assert network.fan_gain >= 0.0
    assert all(row[index] >= 0.0 for index, row in enumerate(fit.belief.covariance))


@given(st.floats(0.0, 1.0), st.floats(0.05, 5.0), st.floats(0.0, 20.0))
def test_slopes_are_those_of_the_step(fan: float, dt_s: float, power_w: float) -> None:
    before, nudge = (50.0, 41.0), 1e-5
    step = TRUE.step(dt_s, fan)
    after = TRUE.advance(step, before, power_w)
    slopes = [step.solve(*heat) for heat in heats(TRUE, step, before, after, fan)]
    for index, slope in enumerate(slopes):
        network, start = _nudged(index, nudge, before)
        moved = network.advance(network.step(dt_s, fan), start, power_w)
        expected = [(new - old) / nudge for new, old in zip(moved, after, strict=True)]
        assert slope == pytest.approx(expected, rel=1e-3, abs=1e-4)


def _nudged(index: int, nudge: float, temps: Pair) -> tuple[Network, Pair]:
    vector = [*temps, *map(math.log, (*TRUE.resistances_c_per_w, *TRUE.capacities_j_per_c))]
    vector += [TRUE.fan_gain, TRUE.ambient_c]
    vector[index] += nudge
    chip_r, outer_r, chip_c, outer_c = map(math.exp, vector[2:6])
    network = Network((chip_r, outer_r), (chip_c, outer_c), vector[6], vector[7])
    return network, (vector[0], vector[1])
