"""The first guess of a board's heat path."""

from __future__ import annotations

import math

import pytest
from heat_board import parameters_of, prior_of

from edge_rt.thermal.network import ThermalPrior


@pytest.mark.parametrize("name", ["raspberry-pi-5", "raspberry-pi-4b", "jetson-orin-nano-8gb"])
def test_boards_of_some_watts_lie_within_two_spreads(name: str) -> None:
    prior, known = prior_of(name), parameters_of(name, 0)
    pairs = zip(
        (*prior.resistances_c_per_w, *prior.capacities_j_per_c),
        (*known.resistances_c_per_w, *known.capacities_j_per_c),
        strict=True,
    )
    assert all(abs(math.log(true / guess)) < 2.0 * prior.spread for guess, true in pairs)


def test_a_larger_board_has_an_easier_way_out_and_more_to_warm() -> None:
    small, large = ThermalPrior.generic(5.0, fan=False), ThermalPrior.generic(50.0, fan=True)
    assert sum(large.resistances_c_per_w) < sum(small.resistances_c_per_w)
    assert sum(large.capacities_j_per_c) > sum(small.capacities_j_per_c)
    assert small.fan_gain == 0.0 < large.fan_gain


def test_what_the_profile_knows_replaces_the_sums() -> None:
    prior = ThermalPrior.generic(8.0, False, resistance_c_per_w=7.0, capacity_j_per_c=40.0)
    assert sum(prior.resistances_c_per_w) == pytest.approx(7.0)
    assert sum(prior.capacities_j_per_c) == pytest.approx(40.0)
