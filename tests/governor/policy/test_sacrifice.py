"""What is given up, in the order that the user likes, without haste."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from look_help import governor, settle

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Sacrifice
from edge_rt.governor.policy.guard import Sacrifices

USUAL: tuple[Sacrifice, ...] = ("pace", "model", "queue", "refuse")
FLOOR = 0.2
DT_S = 0.2


def after(known: Sacrifices, seconds: float, duty: float) -> set[Sacrifice]:
    for _ in range(round(seconds / DT_S)):
        known.update(DT_S, duty)
    return set(known.made)


def test_nothing_is_given_up_while_pacing_does() -> None:
    known = Sacrifices(USUAL, FLOOR)
    assert after(known, 600.0, 1.0) == set()
    assert after(known, 600.0, FLOOR) == set()


def test_one_after_the_other_is_given_up_below_the_floor() -> None:
    known = Sacrifices(USUAL, FLOOR)
    assert after(known, 4.0, 0.1) == set()
    assert after(known, 2.0, 0.1) == {"model"}
    assert after(known, 5.0, 0.1) == {"model", "queue"}
    assert after(known, 5.0, -1.0) == {"model", "queue", "refuse"}
    assert after(known, 600.0, 0.0) == {"model", "queue", "refuse"}


def test_they_are_taken_back_in_reverse_once_there_is_room() -> None:
    known = Sacrifices(USUAL, FLOOR)
    after(known, 60.0, 0.0)
    assert after(known, 5.2, 0.5) == {"model", "queue"}
    assert after(known, 5.0, 0.5) == {"model"}
    assert after(known, 5.0, 0.5) == set()


def test_they_are_taken_back_slowly_where_there_is_barely_room() -> None:
    known = Sacrifices(USUAL, FLOOR)
    after(known, 6.0, 0.1)
    assert after(known, 29.0, FLOOR * 1.2) == {"model"}
    assert after(known, 2.0, FLOOR * 1.2) == set()


@given(st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0.001, 1.0)), max_size=200))
def test_the_door_is_never_closed_for_more_than_half_a_minute_where_any_work_is_afforded(
    story: Sequence[tuple[float, float]],
) -> None:
    known, closed_s = Sacrifices(USUAL, FLOOR), 0.0
    for dt_s, duty in story:
        known.update(dt_s, duty)
        closed_s = closed_s + dt_s if "queue" in known.made else 0.0
        assert closed_s <= 30.0 + 3 * 3.0  # and a look for each step


def test_a_moment_below_the_floor_gives_up_nothing() -> None:
    known = Sacrifices(USUAL, FLOOR)
    after(known, 6.0, 0.0)
    for _ in range(5):
        after(known, 25.0, FLOOR * 1.2)
        assert after(known, 1.0, FLOOR * 0.9) == {"model"}


def test_who_asks_after_a_quiet_time_is_let_in_and_turned_away_if_it_is_still_bad() -> None:
    known = Sacrifices(USUAL, FLOOR)
    quiet: list[set[Sacrifice]] = []
    for _ in range(round(400.0 / DT_S)):
        known.update(DT_S, 0.1, quiet=True)
        quiet.append(set(known.made))
    assert quiet[round(20.0 / DT_S)] == {"model", "queue", "refuse"}
    assert {frozenset(made) for made in quiet[round(41.0 / DT_S) :]} == {frozenset({"model"})}
    assert after(known, 11.0, 0.1) == {"model", "queue", "refuse"}
    for _ in range(round(400.0 / DT_S)):
        known.update(DT_S, 0.0, quiet=True)
    assert known.made == {"model", "queue", "refuse"}


def test_another_budget_takes_back_at_once_what_it_does_not_need() -> None:
    known = Sacrifices(USUAL, FLOOR)
    after(known, 16.0, 0.0)
    known.settle(0.1)
    assert known.made == {"model", "queue", "refuse"}
    known.settle(1.0)
    assert known.made == set()


@pytest.mark.parametrize(
    ("order", "slow", "starving"),
    [
        (("model", "pace", "refuse"), {"model"}, {"model", "refuse"}),
        (("queue", "model", "pace"), {"queue", "model"}, {"queue", "model"}),
        (("pace",), set(), set()),
        ((), set(), set()),
        (("refuse", "pace"), {"refuse"}, {"refuse"}),
    ],
)
def test_the_order_is_the_users(
    order: tuple[Sacrifice, ...], slow: set[Sacrifice], starving: set[Sacrifice]
) -> None:
    known = Sacrifices(order, FLOOR)
    assert after(known, 60.0, 0.9) == slow
    assert after(known, 20.0, 0.1) == starving
    assert after(known, 60.0, 1.0) == set()


def test_what_may_be_given_up_changes_and_what_was_is_not_taken_back() -> None:
    alone: tuple[Sacrifice, ...] = ("pace", "queue", "refuse")
    known = Sacrifices(alone, FLOOR)
    assert after(known, 6.0, 0.1) == {"queue"}
    known.arrange(USUAL)
    assert known.made == {"model", "queue"}
    assert after(known, 5.0, 0.1) == {"model", "queue", "refuse"}
    known.arrange(alone)
    assert known.made == {"queue", "refuse"}
    assert after(known, 5.2, 0.5) == {"queue"}


@given(
    st.permutations(USUAL), st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(-9, 9)), max_size=60)
)
def test_changes_come_one_at_a_time_and_seconds_apart(
    order: Sequence[Sacrifice], story: Sequence[tuple[float, float]]
) -> None:
    known = Sacrifices(order, FLOOR)
    seen, changed_s, now_s = [set(known.made)], [-10.0], 0.0
    for dt_s, duty in story:
        now_s += dt_s
        known.update(dt_s, duty)
        if set(known.made) != seen[-1]:
            seen.append(set(known.made))
            changed_s.append(now_s)
    assert all(len(a ^ b) == 1 for a, b in pairwise(seen))
    assert all(later - earlier >= 4.999 for earlier, later in pairwise(changed_s[1:]))


def test_a_budget_that_can_buy_nothing_shuts_the_door_at_once() -> None:
    known = governor()
    settle(known, 60.0)
    known.budget = BudgetConfig(power_w=3.0)  # less than the board draws at rest
    limits = settle(known, DT_S)
    assert limits.admission == "refuse"
    assert limits.retry_after_s == 60.0


def test_a_ceiling_that_is_lifted_opens_the_door_at_once() -> None:
    known = governor(BudgetConfig(temp_c=30.0))
    assert settle(known, 60.0, temp_c=49.0).admission == "refuse"
    known.budget = BudgetConfig()
    limits = settle(known, DT_S, temp_c=49.0)
    assert (limits.admission, limits.duty, limits.why) == ("open", 1.0, "nothing holds back")


def test_a_budget_that_is_lifted_opens_the_door_at_once() -> None:
    known = governor(BudgetConfig(power_w=1.0))
    assert settle(known, 60.0).admission == "refuse"
    known.budget = BudgetConfig()
    assert settle(known, DT_S).admission == "open"
