"""A window gives away what lies above idle, once, and by busy time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.energy.account import Account, Span, Window


def window(begin_s: float = 10.0, end_s: float = 11.0, energy_j: float = 8.0) -> Window:
    return Window(begin_s, end_s, energy_j, end_s - begin_s, quiet=False)


@given(st.floats(0.0, 20.0), st.floats(0.001, 20.0), st.lists(st.floats(10.0, 11.0), max_size=9))
def test_a_span_is_cut_by_windows_without_loss(
    begin_s: float, length_s: float, cuts: list[float]
) -> None:
    account, end_s = Account(0.0), begin_s + length_s
    edges = sorted({-1.0, 50.0, *cuts})
    windows = [window(a, b) for a, b in itertools.pairwise(edges)]
    span = Span(begin_s, end_s, [(account, 0.25 * length_s, 0.5 * length_s)])
    for each in windows:
        span.pour(each)
    assert sum(each.busy_s for each in windows) == pytest.approx(0.75 * length_s)


def test_a_span_of_no_length_falls_into_one_window() -> None:
    before, after = window(9.0, 10.0), window(10.0, 11.0)
    for each in (before, after):
        Span(10.0, 10.0, [(None, 0.5, 0.0)]).pour(each)
    assert before.busy_s + after.busy_s == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0.0, 0.1), st.floats(0.0, 0.1)), min_size=1, max_size=32))
def test_all_parts_together_are_what_lies_above_idle(parts: list[tuple[float, float]]) -> None:
    shared, accounts = window(), [Account(0.0) for _ in parts]
    for account, part in zip(accounts, parts, strict=True):
        shared.add(account, *part)
    price_w = shared.price_w(3.0, 0.0)
    joules = sum(shared.take(account, price_w) for account in accounts)
    assert joules == pytest.approx(5.0 if sum(map(sum, parts)) > 1e-9 else 0.0)
    assert joules == pytest.approx(sum(account.energy_j for account in accounts))
    assert sum(shared.take(account, price_w) for account in accounts) == 0.0


def test_what_was_taken_is_not_there_any_more() -> None:
    shared, early, late = window(), Account(0.0), Account(0.0)
    shared.add(early, 0.2, 0.0)
    assert shared.take(early, shared.price_w(3.0, 0.8)) == pytest.approx(1.0)
    shared.add(late, 0.0, 0.1)
    assert shared.take(late, shared.price_w(3.0, 0.0)) == pytest.approx(4.0)


def test_less_than_idle_is_nothing_to_share() -> None:
    shared = window(energy_j=2.0)
    shared.add(Account(0.0), 0.5, 0.0)
    assert shared.price_w(3.0, 0.0) == 0.0


def test_busy_time_counts_as_known_as_far_as_the_window_is_covered() -> None:
    account = Account(0.0)
    half = Window(10.0, 12.0, 8.0, 1.0, quiet=False)
    half.add(account, 1.0, 0.5)
    half.take(account, half.price_w(3.0, 0.0))
    assert account.resolved_s == pytest.approx(0.75)
    assert account.energy_j == pytest.approx(5.0)


def test_joules_from_before_a_window_are_not_its_own() -> None:
    late = Window(10.0, 11.0, 300.0, 100.0, quiet=False)
    assert (late.energy_j, late.covered_s) == (3.0, 1.0)


def test_a_request_feels_the_board_from_its_begin() -> None:
    account = Account(10.75)
    window().feel(account)
    window(9.0, 10.0).feel(account)
    assert account.power_w == pytest.approx(8.0)
