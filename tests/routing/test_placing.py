"""The search finds what enumeration does, and of a front the right one is taken."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from benchlib.annealing import Archive, Momentum, anneal
from benchlib.placement import hypervolume, random_problem, worst
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_rt.routing.placement import Placement, PlacementCost
from edge_rt.routing.placing import Front, enumerate_all, pick

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
@settings(max_examples=20)
def test_enumeration_is_the_front_of_all_states(seed: int) -> None:
    problem = random_problem(Random(seed), variants=4)
    archive = Archive(10_000)
    for state in product(*(range(len(places) + 1) for places in problem.variants)):
        placement = problem.placement(state)
        if placement is not None:
            archive.add(placement)
    found, expected = enumerate_all(problem), archive.front
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.cost == pytest.approx(theirs.cost)


@pytest.mark.parametrize("seed", range(20))
def test_the_search_reaches_99_percent_of_the_true_hypervolume(seed: int) -> None:
    problem = random_problem(Random(seed))
    true = [placement.cost for placement in enumerate_all(problem)]
    found = [placement.cost for placement in anneal(problem, Random(seed))]
    reference = worst(true)
    assert hypervolume(found, reference) >= 0.99 * hypervolume(true, reference)


@given(SEEDS, st.booleans(), st.integers(0, 300))
@settings(max_examples=30)
def test_all_that_is_found_fits_and_is_told_rightly(seed: int, moved: bool, steps: int) -> None:
    problem = random_problem(Random(seed))
    momentum = Momentum() if moved else None
    found = anneal(problem, Random(seed), steps=steps, momentum=momentum)
    assert found
    assert [problem.placement(p.state) for p in found] == found
    assert not any(one.dominates(two) for one in found for two in found)


@given(SEEDS)
@settings(max_examples=20)
def test_the_same_seed_finds_the_same(seed: int) -> None:
    problem = random_problem(Random(seed))
    assert anneal(problem, Random(seed), steps=50) == anneal(problem, Random(seed), steps=50)


@given(SEEDS)
@settings(max_examples=20)
def test_what_is_found_is_no_worse_than_where_it_began(seed: int) -> None:
    problem = random_problem(Random(seed), variants=5)
    start = enumerate_all(problem)[0]
    found = anneal(problem, Random(seed), start.state, steps=20)
    assert found[0].cost <= (start.cost.energy_j * (1 + 1e-9), start.cost.seconds)


def test_a_board_without_models_has_one_placement() -> None:
    problem = random_problem(Random(3), variants=1)
    nothing = type(problem)([[]], problem.usable_bytes, problem.mix)
    assert [p.state for p in anneal(nothing, Random(1), steps=10)] == [(0,)]


def placed(joules: float, seconds: float, place: int = 1) -> Placement:
    return Placement(PlacementCost(joules, seconds), (place,))


THRIFTY, FAST, BETWEEN = placed(5.0, 9.0), placed(20.0, 2.0), placed(9.0, 4.0)
FRONT = [THRIFTY, BETWEEN, FAST]


def test_the_fewest_joules_or_seconds_are_taken_as_preferred() -> None:
    assert pick(FRONT, "energy") == THRIFTY
    assert pick(FRONT, "quality") == THRIFTY
    assert pick(FRONT, "latency") == FAST


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_of_two_that_take_the_same_the_loaded_one_stays(places: tuple[int, int]) -> None:
    front = Front()
    for place in places:
        front.add(placed(5.0, 9.0, place))
    assert front.front == [placed(5.0, 9.0, 1)]


def test_ties_go_to_the_other_figure_and_then_to_what_is_loaded() -> None:
    assert pick([placed(5.0, 9.0), placed(5.05, 3.0)], "energy").cost.seconds == 3.0
    assert pick([placed(5.0, 9.0, 0), placed(5.05, 8.9, 1)], "energy").state == (1,)
