"""Trials stay within their share of requests and joules, whatever an adversary offers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.quality.judge import ENOUGH, JOULES, ONE, REQUESTS, ArmTrials, TrialArm

ARMS = [("small", "single"), ("large", "single"), ("large", "lookup")]
energies = st.lists(st.floats(0.001, 1e4), min_size=3, max_size=3)
knowns = st.lists(st.floats(0.0, 20.0), min_size=3, max_size=3)


def ways(joules: list[float], known: list[float]) -> list[TrialArm]:
    both = zip(ARMS, joules, known, strict=True)
    return [TrialArm(place, arm, j, k) for place, (arm, j, k) in enumerate(both)]


def ask(trials: ArmTrials, option: list[TrialArm]) -> tuple[TrialArm, TrialArm]:
    """One request; the best, and what was taken."""
    best = min(option, key=lambda way: way.energy_j)
    taken = trials.choose(option, best)
    tried = taken.energy_j - best.energy_j if taken is not best else None
    trials.took(best.energy_j, tried)
    return best, taken


@given(st.lists(st.tuples(energies, knowns), max_size=200))
def test_what_they_cost_is_bounded_at_any_time(steps: list[tuple]) -> None:
    trials, best_j, taken_j, tried = ArmTrials(), 0.0, 0.0, 0
    for count, (joules, known) in enumerate(steps, 1):
        best, taken = ask(trials, ways(joules, known))
        best_j, taken_j, tried = best_j + best.energy_j, taken_j + taken.energy_j, trials.trials
        assert taken_j <= (1.0 + JOULES) * best_j * (1.0 + 1e-9)
        assert taken.energy_j <= (1.0 + ONE) * best.energy_j * (1.0 + 1e-9)
        assert tried <= REQUESTS * count


def test_the_least_known_is_tried_once_that_is_earned() -> None:
    trials, option = ArmTrials(), ways([10.0, 11.0, 12.0], [9.0, 3.0, 5.0])
    taken = [ask(trials, option)[1].place for _ in range(100)]
    assert set(taken) == {0, 1}
    assert taken.count(1) == REQUESTS * 100
    assert taken[: round(1 / REQUESTS) - 1] == [0] * (round(1 / REQUESTS) - 1)


def test_what_is_known_well_enough_is_not_tried() -> None:
    trials = ArmTrials()
    option = ways([10.0, 10.1, 10.2], [30.0, ENOUGH, ENOUGH])
    assert {ask(trials, option)[1].place for _ in range(100)} == {0}


def test_nobody_is_tried_who_is_known_better_than_the_best() -> None:
    trials, option = ArmTrials(), ways([10.0, 10.1, 10.2], [0.0, 1.0, 2.0])
    assert {ask(trials, option)[1].place for _ in range(100)} == {0}
