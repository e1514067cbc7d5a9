"""What a placement costs: by hand, and by its own promises."""

from __future__ import annotations

from random import Random

import pytest
from benchlib.placement import random_problem
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.placement import (
    NEVER,
    ModelPlace,
    PlacementCost,
    PlacementProblem,
    RequestKind,
)

SEEDS = st.integers(0, 10_000)


def place(joules: float, seconds: float, size: float, load_j: float = 5.0) -> ModelPlace:
    return ModelPlace((size,), (PlacementCost(joules, seconds),), PlacementCost(load_j, 1.0))


SMALL, LARGE = place(10.0, 4.0, 30.0), place(20.0, 2.0, 60.0)
PROBLEM = PlacementProblem(
    [[SMALL], [LARGE]], [100.0], [RequestKind(1.0, PlacementCost(40.0, 9.0))]
)


def cost(state: tuple[int, ...], problem: PlacementProblem = PROBLEM) -> PlacementCost:
    found = problem.placement(state)
    assert found is not None
    return found.cost


def test_requests_are_served_on_demand_where_nothing_is_loaded() -> None:
    assert cost((0, 0)) == (40.0, 9.0)


def test_requests_go_to_what_takes_the_fewest_joules() -> None:
    assert cost((1, 0)) == (10.0, 4.0)
    assert cost((0, 1)) == (20.0, 2.0)


def test_memory_that_fills_up_makes_joules_dearer() -> None:
    assert cost((1, 1)) == pytest.approx((20.0, 4.0))  # 90 % full: twice the joules


def test_what_does_not_fit_is_no_placement() -> None:
    assert PlacementProblem([[SMALL], [LARGE]], [94.0], PROBLEM.mix).placement((1, 1)) is None
    assert PlacementProblem([[SMALL]], [0.0], PROBLEM.mix).placement((1,)) is None
    assert cost((0,), PlacementProblem([[SMALL]], [0.0], PROBLEM.mix)) == (40.0, 9.0)


def test_kinds_count_by_their_share() -> None:
    serves_one = ModelPlace((1.0,), (PlacementCost(10.0, 1.0), NEVER), PlacementCost(0.0, 0.0))
    mix = [
        RequestKind(0.25, PlacementCost(50.0, 5.0)),
        RequestKind(0.75, PlacementCost(100.0, 8.0)),
    ]
    problem = PlacementProblem([[serves_one]], [100.0], mix)
    assert cost((1,), problem) == pytest.approx((0.25 * 10 + 0.75 * 100, 0.25 * 1 + 0.75 * 8))


def test_only_what_was_not_there_has_to_be_loaded() -> None:
    assert PROBLEM.load((1, 0), (1, 1)) == LARGE.load
    assert PROBLEM.load((1, 1), (1, 0)) == (0.0, 0.0)


def test_figures_have_to_be_there_for_each_memory_and_kind() -> None:
    with pytest.raises(ValueError, match="not a figure for each memory"):
        PlacementProblem([[SMALL]], [100.0, 100.0], PROBLEM.mix)
    with pytest.raises(ValueError, match="leave out of the mix"):
        PlacementProblem([[SMALL]], [100.0], [RequestKind(1.0, NEVER)])


@given(SEEDS, st.data())
def test_one_model_more_never_takes_more_joules_while_memory_is_easy(
    seed: int, data: st.DataObject
) -> None:
    problem = random_problem(Random(seed))
    roomy = PlacementProblem(problem.variants, [1e9] * len(problem.usable_bytes), problem.mix)
    state = tuple(data.draw(st.integers(0, len(places))) for places in problem.variants)
    empty = [i for i, loaded in enumerate(state) if not loaded]
    if not empty:
        return
    more = [*state]
    more[data.draw(st.sampled_from(empty))] = 1
    assert cost((*more,), roomy).energy_j <= cost(state, roomy).energy_j * (1 + 1e-9)
