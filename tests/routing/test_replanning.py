"""Models are placed anew when things changed, and moved only when that pays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.placement import ModelPlace, PlacementCost, PlacementProblem, RequestKind
from edge_rt.routing.placing import HORIZON_S, Circumstances, Occasion, judge, sparing

GB = 1e9
THEN = Circumstances(0.9, "ok", (4 * GB,), {"chat": 0.7, "code": 0.3})


def due(now: Circumstances) -> str | None:
    occasion = Occasion()
    occasion.planned(THEN)
    return occasion.due(now)


def test_the_first_placement_is_due_at_once() -> None:
    assert Occasion().due(THEN) is not None


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (replace(THEN, phi=0.85), "the thermal yield went from 0.90 to 0.85"),
        (replace(THEN, phi=0.95), "the thermal yield went"),
        (replace(THEN, phi=None), "no longer"),
        (replace(THEN, guard="caution"), "from ok to caution"),
        (replace(THEN, smaller=True), "smaller models may now answer"),
        (replace(THEN, usable_bytes=(3.7 * GB,)), "from 4000 to 3700 MB"),
        (replace(THEN, usable_bytes=(5 * GB,)), "grew from 4000 to 5000 MB"),
        (replace(THEN, mix={"chat": 0.45, "code": 0.55}), "25% of requests"),
        (replace(THEN, mix={"other": 1.0}), "100% of requests"),
    ],
)
def test_what_changed_makes_it_due(now: Circumstances, why: str) -> None:
    found = due(now)
    assert found is not None
    assert why in found


@given(st.floats(-0.049, 0.049), st.floats(-0.049, 0.19), st.floats(-0.19, 0.19))
def test_small_changes_do_not(phi: float, memory: float, moved: float) -> None:
    now = replace(
        THEN,
        phi=0.9 * (1 + phi),
        usable_bytes=(4 * GB * (1 + memory),),
        mix={"chat": 0.7 + moved, "code": 0.3 - moved},
    )
    assert due(now) is None


@given(st.lists(st.floats(-0.03, 0.03), min_size=1, max_size=60))
def test_slow_changes_count_from_the_last_placement_on(steps: list[float]) -> None:
    occasion, phi = Occasion(), 0.9
    occasion.planned(THEN)
    for step in steps:
        phi *= 1 + step
        assert (occasion.due(replace(THEN, phi=phi)) is not None) == (abs(phi / 0.9 - 1) >= 0.05)


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        (THEN, replace(THEN, per_second=0.59), None),
        (THEN, replace(THEN, per_second=0.61), "more requests"),
        (replace(THEN, heavy=False), THEN, "may be loaded again"),
        (THEN, replace(THEN, heavy=False), None),
    ],
)
def test_what_was_not_done_is_due_once_it_may_be(
    then: Circumstances, now: Circumstances, why: str | None
) -> None:
    occasion = Occasion()
    occasion.planned(replace(then, per_second=0.5), waits=True)
    found = occasion.due(replace(now, per_second=now.per_second or 0.5))
    assert why is None if found is None else why is not None and why in found
    occasion.planned(replace(then, per_second=0.5))
    assert occasion.due(now) is None


# --- whether a change pays


def place(joules: float, load_j: float, size: float = 10.0) -> ModelPlace:
    return ModelPlace(
        (size,), (PlacementCost(joules, joules / 5),), PlacementCost(load_j, load_j / 5)
    )


OLD, NEW = place(10.0, 30.0), place(8.0, 30.0)
PROBLEM = PlacementProblem([[OLD], [NEW]], [1000.0], [RequestKind(1.0, PlacementCost(50.0, 9.0))])
Judged = Callable[..., bool]


def made(before: tuple[int, ...], after: tuple[int, ...], requests: float, **other: object) -> bool:
    """Whether a change is made with so many requests in the horizon."""
    placement = PROBLEM.placement(after)
    assert placement is not None
    return judge(
        PROBLEM,
        before,
        placement,
        requests / HORIZON_S,
        **other,  # pyright: ignore
    ).made


def test_a_change_is_made_when_it_repays_the_load_within_the_horizon() -> None:
    assert not made((1, 0), (0, 1), requests=14)  # 14 requests save 28 J, a load takes 30
    assert made((1, 0), (0, 1), requests=16)


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_requests_never_undo_a_change(one: float, two: float) -> None:
    few, many = sorted((one, two))
    assert made((1, 0), (0, 1), few) <= made((1, 0), (0, 1), many)


def test_seconds_pay_where_latency_is_preferred() -> None:
    assert made((1, 0), (0, 1), requests=16, prefer="latency")
    assert not made((1, 0), (0, 1), requests=14, prefer="latency")


def test_nothing_is_loaded_while_the_governor_forbids_it() -> None:
    assert not made((1, 0), (0, 1), requests=900, heavy=False)


def test_what_is_best_already_stays() -> None:
    assert not made((0, 1), (0, 1), requests=900)


def test_what_does_not_fit_any_more_changes_whatever_it_takes() -> None:
    tight = PlacementProblem([[OLD], [NEW]], [15.0], PROBLEM.mix)
    after = tight.placement((0, 1))
    assert after is not None
    assert judge(tight, (1, 1), after, per_second=0.0).made


FORMS = PlacementProblem([[place(10.0, 30.0), NEW], [OLD]], [1000.0], PROBLEM.mix)


@pytest.mark.parametrize(
    ("before", "after", "requests", "expected"),
    [
        ((1, 0), (2, 0), 14, (1, 0)),
        ((1, 0), (2, 0), 16, (2, 0)),
        ((1, 0), (2, 1), 14, (1, 1)),
        ((0, 1), (2, 0), 14, (2, 0)),  # that is for `judge`
    ],
)
def test_another_place_has_to_repay_by_itself(
    before: tuple[int, ...], after: tuple[int, ...], requests: float, expected: tuple[int, ...]
) -> None:
    found = FORMS.placement(after)
    assert found is not None
    assert sparing(FORMS, before, found, requests / HORIZON_S).state == expected


def test_another_place_that_makes_room_is_taken() -> None:
    small = place(11.0, 30.0, size=4.0)
    other = place(1.0, 1.0, size=10.0)
    problem = PlacementProblem([[OLD, small], [other]], [15.0], PROBLEM.mix)
    found = problem.placement((2, 1))
    assert found is not None
    assert sparing(problem, (1, 0), found, 9.0).state == (2, 1)
