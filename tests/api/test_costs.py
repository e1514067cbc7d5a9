"""Joules add up, the worst quality wins, and what is not known is None."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.requests import Cost, Costs
from edge_rt.generation.usage import Origin, Tally


def costs_of(*taken: Cost, calls: int | None = None) -> Costs:
    costs = Costs(len(taken) if calls is None else calls)
    for cost in taken:
        costs.take(cost)
    return costs


def test_sum_mean_and_highest(script):
    costs = costs_of(
        script.cost(1.0, power_w=4.0, temp_c=60.0, seconds=1.0),
        script.cost(2.0, power_w=8.0, temp_c=50.0, seconds=3.0),
    )
    assert (costs.energy_j, costs.quality) == (3.0, "measured")
    assert (costs.power_w, costs.temp_c) == (7.0, 60.0)


@pytest.mark.parametrize(
    ("qualities", "quality", "energy_j"),
    [
        (["measured"], "measured", 1.0),
        (["measured", "modelled"], "modelled", 2.0),
        (["modelled", "measured"], "modelled", 2.0),
        (["measured", "unresolved", "modelled"], "unresolved", None),
    ],
)
def test_the_worst_quality_is_that_of_the_sum(script, qualities, quality, energy_j):
    taken = [script.cost(None if q == "unresolved" else 1.0, quality=q) for q in qualities]
    costs = costs_of(*taken)
    assert (costs.quality, costs.energy_j) == (quality, energy_j)


def test_joules_that_are_missing_or_called_unresolved_are_not_known(script):
    for cost in (script.cost(None, quality="measured"), script.cost(1.0, quality="unresolved")):
        assert costs_of(cost).energy_j is None
        assert costs_of(cost).quality == "unresolved"


def test_a_call_that_told_no_cost_leaves_the_sum_unresolved(script):
    for taken in ([], [script.cost()]):
        costs = costs_of(*taken, calls=2)
        assert (costs.energy_j, costs.quality) == (None, "unresolved")


def test_power_and_temperature_are_those_that_are_known(script):
    unknown = script.cost(power_w=None, temp_c=None, seconds=9.0)
    known = script.cost(power_w=5.0, temp_c=40.0, seconds=1.0)
    costs = costs_of(unknown, known)
    assert (costs.power_w, costs.temp_c) == (5.0, 40.0)
    assert (costs_of(unknown).power_w, costs_of(unknown).temp_c) == (None, None)


@pytest.mark.parametrize(
    ("calls", "quality"),
    [
        ([(5.0, "measured"), (6.0, "measured")], "measured"),
        ([(5.0, "measured"), (6.0, "modelled")], "modelled"),
        ([(5.0, None)], "modelled"),  # nobody says that it is measured
        ([(None, "modelled"), (6.0, "measured")], "measured"),
        ([(None, "measured")], None),
    ],
)
def test_watts_have_a_quality_of_their_own(script, calls, quality):
    for energy_j in (1.0, None):
        taken = [script.cost(energy_j, power_w=w, power_quality=q) for w, q in calls]
        assert costs_of(*taken).power_quality == quality


def test_a_call_of_no_time_has_a_power_nevertheless(script):
    assert costs_of(script.cost(power_w=5.0, seconds=0.0)).power_w == pytest.approx(5.0)


floats = st.floats(0, 1e6)
some_costs = st.lists(
    st.builds(
        Cost,
        energy_j=floats,
        quality=st.sampled_from(["measured", "modelled"]),
        power_w=floats,
        temp_c=st.floats(-40, 120),
        seconds=floats,
    ),
    min_size=1,
)


@given(some_costs)
def test_the_mean_lies_among_its_parts_and_the_sum_above_them(taken):
    costs = costs_of(*taken)
    powers = [cost.power_w for cost in taken]
    tiny = 1e-290  # below which floats are coarse
    assert min(powers) * (1 - 1e-9) - tiny <= costs.power_w <= max(powers) * (1 + 1e-9) + tiny
    assert costs.energy_j >= max(cost.energy_j for cost in taken)


def test_the_edge_object_is_rounded(script):
    tally = Tally()
    tally.take(script.cost(1.23456789, power_w=6.5432109, temp_c=51.4567))
    edge = tally.edge(Origin("m", "llama.cpp", None, None, None))
    assert (edge.energy_j, edge.power_w, edge.temp_c) == (1.2346, 6.543, 51.5)


def test_the_edge_object_says_what_is_not_known(client, service, script):
    unknown = script.cost(None, power_w=None, temp_c=None)
    for told in ([], [unknown]):
        service.script = lambda call, told=told: [script.started(), *told, script.finished()]
        response = client.chat()
        edge = response.json()["edge"]
        names = ("energy_j", "energy_quality", "power_w", "power_quality", "temp_c")
        assert [edge[name] for name in names] == [None, "unresolved", None, None, None]
        assert response.headers["x-edge-energy-quality"] == "unresolved"
        absent = {"x-edge-energy-j", "x-edge-power-w", "x-edge-power-quality", "x-edge-temp-c"}
        assert not absent & set(response.headers)
