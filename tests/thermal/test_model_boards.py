"""Forecasts of simulated boards whose figures are hidden come true within their bands."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import pytest
from benchlib.heat_forecasts import Look, judge, score
from heat_board import looks, parameters_of, prior_of
from watch import Watch

from edge_rt.thermal.model import ThermalModel
from edge_rt.twin.plant import Conditions

pytestmark = pytest.mark.slow  # hours of simulated time

PI, ORIN = "raspberry-pi-5", "jetson-orin-nano-8gb"
HORIZON_S = 30.0
boards = pytest.mark.parametrize("name", [PI, ORIN])


@pytest.mark.parametrize("seed", [6, 14])
@boards
def test_forecasts_for_half_a_minute_come_true_within_their_bands(name: str, seed: int) -> None:
    outcomes = Watch(name, 900.0, seed=seed).outcomes
    scored = score(outcomes, HORIZON_S)
    assert scored.mae_k <= 1.0
    assert scored.covered >= 0.9
    assert scored.moved_k > 3.0 * scored.mae_k  # there was something to forecast
    settled = score(outcomes, HORIZON_S, since_s=300.0)
    assert settled.mae_k <= 0.5
    assert settled.band_k <= 1.5  # bands that say something


@boards
def test_it_finds_the_air_and_the_way_to_it(name: str) -> None:
    state = Watch(name, 900.0, lambda _: Conditions(38.0)).model.state
    known = parameters_of(name, 1)
    assert state is not None
    assert state.ambient_c == pytest.approx(38.0, abs=5.0)
    assert state.time_constants_s[0] == pytest.approx(
        known.resistances_c_per_w[0] * known.capacities_j_per_c[0], rel=0.2
    )


@boards
def test_sensors_of_whole_degrees_will_do(name: str) -> None:
    watch = Watch(name, 600.0, mangle=_coarse)
    scored = score(watch.outcomes, HORIZON_S)
    assert scored.mae_k <= 0.8
    assert scored.covered >= 0.9


def _coarse(_: int, look: Look) -> Look:
    return replace(look, temp_c=float(round(look.true_c)))


@boards
def test_readings_that_fail_now_and_then_do_no_harm(name: str) -> None:
    def failing(number: int, look: Look) -> Look:
        temp_c = None if number % 7 == 3 else 0.0 if number % 301 == 300 else look.temp_c
        power_w = None if number % 11 == 5 else 700.0 if number % 307 == 306 else look.power_w
        return replace(look, temp_c=temp_c, power_w=power_w)

    watch = Watch(name, 600.0, mangle=failing)
    scored = score(watch.outcomes, HORIZON_S)
    assert scored.mae_k <= 0.8
    assert scored.covered >= 0.9
    assert watch.share_believed(300.0) > 0.8


@boards
def test_a_fan_that_nobody_can_read_is_lived_with(name: str) -> None:
    scored = score(Watch(name, 600.0, mangle=_without_fan).outcomes, HORIZON_S)
    assert scored.mae_k <= 1.0
    assert scored.covered >= 0.8


def _without_fan(_: int, look: Look) -> Look:
    return replace(look, fan=None)


@pytest.mark.parametrize("scale", [0.4, 2.5])
@boards
def test_a_first_guess_that_is_far_off_is_corrected(name: str, scale: float) -> None:
    prior = prior_of(name)
    guess = replace(
        prior,
        resistances_c_per_w=tuple(scale * r for r in prior.resistances_c_per_w),
        capacities_j_per_c=tuple(c / scale for c in prior.capacities_j_per_c),
    )
    outcomes = [o for n in (1, 2) for o in judge(ThermalModel(guess), looks(name, n, 600.0))]
    scored = score(outcomes, HORIZON_S, since_s=300.0)
    assert scored.mae_k <= 0.6
    assert scored.covered >= 0.8


@pytest.mark.parametrize("name", ["jetson-agx-orin-64gb", "jetson-nano-4gb", "raspberry-pi-4b"])
def test_boards_of_another_make_are_forecast_too(name: str) -> None:
    """One has a node more than the model, one neither fan nor fine sensor, one no power sensor."""
    scored = score(Watch(name, 600.0).outcomes, HORIZON_S)
    assert scored.mae_k <= 1.0
    assert scored.covered >= 0.9


@boards
def test_forecasts_at_a_power_that_stays_come_true(name: str) -> None:
    """As the governor asks: what will this power come to?"""
    model, errors, covered = ThermalModel(prior_of(name)), list[float](), list[float]()
    seen = list(looks(name, 2, 900.0))
    ahead, before = round(HORIZON_S / 0.2), 15
    for n, look in enumerate(seen[:-ahead]):
        model.observe(look.time_s, look.temp_c, look.power_w, look.fan)
        same = n > 600 and len({each.busy for each in seen[n - before : n + ahead + 1]}) == 1
        if n % 10 == 0 and same:
            power_w = fmean(each.came_w for each in seen[n - before + 5 : n + 1])
            forecast = model.forecast(power_w, HORIZON_S)
            assert forecast is not None
            errors.append(abs(seen[n + ahead].true_c - forecast.temp_c))
            covered.append(float(errors[-1] <= forecast.band_k))
    assert len(errors) > 30
    assert fmean(errors) <= 0.6
    assert fmean(covered) >= 0.9
