"""The cap's window and its margin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config.schema import BudgetConfig
from edge_rt.governor.policy.cap import Cap, PowerWindow

SIX = BudgetConfig(power_w=6.0)


def watched(seconds: float, drawn_w: float, planned_w: float, whole: bool = False) -> Cap:
    cap = Cap()
    cap.target_w(SIX, 0.0)
    for _ in range(round(seconds * 5)):
        cap.look(0.2, [drawn_w], planned_w, 1.0, whole=whole)
    return cap


def test_there_is_nothing_to_keep_without_a_cap() -> None:
    cap = watched(5.0, 7.0, 6.0)
    assert cap.target_w(BudgetConfig(), 0.1) is None
    assert cap.margin_w is None
    assert cap.room_w(BudgetConfig()) is None


def test_plans_that_come_true_leave_nearly_all_of_it() -> None:
    target_w = watched(60.0, 5.5, 5.5).target_w(SIX, 0.0)
    assert target_w is not None
    assert 5.87 < target_w[0] == target_w[1] < 6.0


def test_windows_that_came_out_higher_are_kept_free_for_pauses_only() -> None:
    target_w = watched(60.0, 5.9, 5.5).target_w(SIX, 0.0)
    assert target_w is not None
    assert target_w[0] == pytest.approx(5.48, abs=0.02)
    assert target_w[1] == pytest.approx(5.88, abs=0.02)


def test_an_excess_without_pauses_is_kept_free_without_pauses_too() -> None:
    target_w = watched(60.0, 5.9, 5.5, whole=True).target_w(SIX, 0.0)
    assert target_w is not None
    assert target_w[1] == pytest.approx(5.6, abs=0.02)


def test_an_excess_over_the_cap_is_kept_free_for_a_second() -> None:
    cap = watched(5.0, 6.5, 6.5)  # as planned, so that nothing but the cap itself is exceeded
    target_w = cap.target_w(SIX, 0.0)
    assert target_w is not None
    assert target_w[0] == pytest.approx(5.38, abs=0.02)
    for _ in range(50):
        cap.look(0.2, [5.5], 5.5, 1.0)
    target_w = cap.target_w(SIX, 0.0)
    assert target_w is not None
    assert target_w[0] == pytest.approx(5.88, abs=0.005)


def test_it_forgets_a_mishap_within_minutes() -> None:
    cap = watched(2.0, 7.0, 5.5)
    cap.target_w(SIX, 0.0)
    before = cap.margin_w
    for _ in range(5 * 180):
        cap.look(0.2, [5.5], 5.5, 1.0)
    cap.target_w(SIX, 0.0)
    assert before is not None
    assert cap.margin_w is not None
    assert cap.margin_w < 0.25 * before


def test_what_the_model_does_not_know_is_kept_free() -> None:
    sure, unsure = watched(60.0, 5.5, 5.5), watched(60.0, 5.5, 5.5)
    sure.target_w(SIX, 0.0)
    unsure.target_w(SIX, 0.2)
    assert sure.margin_w is not None
    assert unsure.margin_w is not None
    assert unsure.margin_w > sure.margin_w + 0.1
    unsure.target_w(SIX, 100.0)
    assert unsure.margin_w <= 0.15 * 6.0 + 1e-9


def test_a_window_that_has_had_too_much_gets_less() -> None:
    assert (watched(2.0, 7.0, 6.0).room_w(SIX) or 0.0) < 3.0
    assert (watched(2.0, 4.0, 6.0).room_w(SIX) or 0.0) > 10.0


def test_what_is_read_late_takes_the_place_of_what_was_thought() -> None:
    cap = watched(2.0, 6.0, 6.0)
    cap.look(0.2, [8.0, 8.0, 6.0], 6.0, 1.0)
    assert cap.room_w(SIX) == pytest.approx((0.98 * 6.0 - 5.6) / 0.2, abs=0.5)


def test_a_new_cap_begins_without_debts() -> None:
    cap = watched(2.0, 9.0, 9.0)
    lower = BudgetConfig(power_w=5.0)
    cap.target_w(lower, 0.0)
    assert cap.room_w(lower) == pytest.approx(0.98 * 5.0, abs=0.1)


def test_a_window_that_nobody_watched_begins_without_debts() -> None:
    cap = watched(2.0, 9.0, 6.0)
    cap.interrupt()
    cap.target_w(SIX, 0.0)
    room_w = cap.room_w(SIX)
    assert room_w is not None
    assert room_w > 0.0


@given(
    st.lists(st.floats(0.0, 20.0), min_size=1, max_size=40),
    st.floats(1.0, 20.0),
    st.sampled_from([0.2, 1.0, 3.0]),
)
def test_who_draws_no_more_than_there_is_room_keeps_the_window(
    wants: list[float], cap_w: float, window_s: float
) -> None:
    window, drawn = PowerWindow(), list[float]()
    for want_w in wants:
        power_w = max(0.0, min(want_w, window.room_w(cap_w, window_s, 0.2)))
        window.add(0.2, power_w, power_w, window_s)
        drawn.append(power_w)
    size = round(window_s / 0.2)
    for end in range(size, len(drawn) + 1):
        assert sum(drawn[end - size : end]) / size <= cap_w * (1.0 + 1e-9)


def test_a_look_that_began_before_its_cap_is_no_mishap() -> None:
    cap = watched(60.0, 5.5, 5.5)
    lower = BudgetConfig(power_w=4.0)
    cap.target_w(lower, 0.0)
    cap.look(1.0, [6.0], 3.5, 1.0)  # what was under way when the cap came
    cap.target_w(lower, 0.0)
    assert cap.margin_w == pytest.approx(0.08, abs=0.01)
