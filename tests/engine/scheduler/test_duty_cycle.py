"""The asked share of the time is computed, whatever passes take and rests turn out to be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.engine.scheduler.passes import (
    CREDIT_S,
    LONGEST_S,
    PASS_S,
    REST_S,
    SLICE_S,
    DutyCycle,
    PrefillBudget,
    Slice,
)

DUTIES = st.floats(0.02, 1.0)
LATE = st.floats(0.0, CREDIT_S)


def pacer(duty: float) -> DutyCycle:
    made = DutyCycle()
    made.pace(duty)
    return made


@given(DUTIES, st.lists(st.tuples(st.floats(0.002, 1.0), LATE), min_size=1, max_size=50))
def test_what_is_rested_never_strays_from_what_is_due(
    duty: float, passes: list[tuple[float, float]]
) -> None:
    paced, due_s, rested_s = pacer(duty), 0.0, 0.0
    for spent_s, late_s in passes:
        paced.computed(spent_s)
        due_s += spent_s * (1 / duty - 1)
        if paced.pause_s:
            slept_s = paced.pause_s + late_s
            paced.rested(slept_s)
            rested_s += slept_s
        assert paced.pause_s == 0.0
        assert rested_s - due_s + 1e-9 > -REST_S
        assert rested_s - due_s <= CREDIT_S + 1e-9


def test_what_a_rest_left_over_makes_no_later_one_shorter() -> None:
    paced = pacer(0.02)
    paced.computed(1.0)
    paced.rested(49.0 - REST_S / 2)
    paced.computed(1.0)
    assert paced.pause_s == pytest.approx(49.0, abs=REST_S)


@given(DUTIES, st.lists(st.floats(0.0, 0.5), max_size=20))
def test_a_rest_in_pieces_is_as_long_as_one_in_one_piece(duty: float, pieces: list[float]) -> None:
    paced = pacer(duty)
    paced.computed(1.0)
    for piece in pieces:
        before_s = paced.pause_s
        paced.rested(piece)
        assert paced.pause_s == pytest.approx(max(0.0, before_s - piece), abs=REST_S)


@given(DUTIES, DUTIES, st.floats(0.002, 1.0), st.floats(0.0, 1.0))
def test_a_rest_is_cut_to_what_a_higher_duty_asks_for(
    duty: float, later: float, spent_s: float, part: float
) -> None:
    paced = pacer(duty)
    paced.computed(spent_s)
    rested_s = part * paced.pause_s
    paced.rested(rested_s)
    before_s = paced.pause_s
    paced.pace(later)
    assert paced.pause_s <= before_s
    if later > duty and before_s:
        wanted_s = spent_s * (1 / later - 1) - rested_s
        assert paced.pause_s == pytest.approx(wanted_s if wanted_s >= REST_S else 0.0)


def test_at_full_duty_nothing_is_owed_and_nothing_is_later() -> None:
    paced = pacer(1.0)
    for _ in range(1000):
        paced.computed(0.1)
        assert paced.pause_s == 0.0
    paced.pace(0.5)
    assert paced.pause_s == 0.0
    paced.computed(0.1)
    assert paced.pause_s == pytest.approx(0.1)


def test_duty_zero_stops_until_it_is_told_otherwise() -> None:
    paced = pacer(0.5)
    paced.computed(0.1)
    paced.pace(0.0)
    for _ in range(5):
        assert paced.pause_s == math.inf
        paced.rested(100.0)
    paced.pace(0.02)
    assert paced.pause_s == 0.0  # it has rested enough


def test_the_pass_before_a_stop_is_still_rested_for() -> None:
    paced = pacer(0.5)
    paced.computed(0.1)
    paced.pace(0.0)
    paced.rested(0.04)
    paced.pace(0.5)
    assert paced.pause_s == pytest.approx(0.06)


def test_idling_saves_nothing_up() -> None:
    paced = pacer(0.5)
    paced.computed(0.1)
    paced.rested(3600.0)
    paced.computed(0.1)
    assert paced.pause_s == pytest.approx(0.1 - CREDIT_S)


def test_a_pass_that_hung_is_not_paid_for_without_end() -> None:
    paced = pacer(0.02)
    paced.computed(1000.0)
    assert paced.pause_s == LONGEST_S
    paced.rested(LONGEST_S)
    assert paced.pause_s == 0.0


@pytest.mark.parametrize(("asked", "taken"), [(-1.0, 0.0), (0.3, 0.3), (7.0, 1.0)])
def test_a_duty_is_a_share(asked: float, taken: float) -> None:
    assert pacer(asked).duty == taken


def test_passes_that_read_prompts_are_rested_for_by_a_duty_of_their_own() -> None:
    paced = DutyCycle()
    paced.pace(0.5, 0.25)
    paced.computed(0.1, prompts=True)
    assert paced.pause_s == pytest.approx(0.3)
    paced.rested(0.3)
    paced.computed(0.1)
    assert paced.pause_s == pytest.approx(0.1)
    paced.pace(1.0, 0.25)  # of the pass before, which read no prompt
    assert paced.pause_s == 0.0


def test_duty_zero_stops_whatever_prompts_may_have() -> None:
    paced = DutyCycle()
    paced.pace(0.0, 0.5)
    assert paced.pause_s == math.inf


# --- prompts


def test_until_a_pass_has_been_measured_a_chunk_is_read() -> None:
    assert PrefillBudget(128).tokens(brief=False) == 128


def test_when_nobody_waits_a_pass_is_filled_up_to_half_a_second() -> None:
    budget = PrefillBudget(128)
    budget.took(128, 0.1)
    assert budget.tokens(brief=False) == int(1280 * PASS_S)
    assert budget.tokens(brief=True) == 128


@given(
    st.integers(1, 600),
    st.one_of(st.none(), st.integers(-1, 600)),
    st.lists(st.tuples(st.integers(1, 600), st.just(0.0) | st.floats(1e-6, 10.0))),
    st.booleans(),
)
def test_a_portion_is_never_above_what_is_allowed_and_never_nothing(
    chunk: int, most: int | None, passes: list[tuple[int, float]], brief: bool
) -> None:
    budget = PrefillBudget(chunk)
    for tokens, seconds in passes:
        budget.took(tokens, seconds)
    free = budget.tokens(brief=brief)
    budget.most = most
    assert budget.tokens(brief=brief) == (free if most is None else max(1, min(free, most)))
    assert free >= chunk
    assert free == chunk or not brief


def test_short_passes_teach_nothing() -> None:
    budget = PrefillBudget(128)
    budget.took(4, 1e-6)
    assert budget.tokens(brief=False) == 128


def test_a_slice_of_a_model_of_unknown_speed_is_as_small_as_can_be() -> None:
    assert Slice().tokens(brief=False) == 1


@pytest.mark.parametrize(
    ("brief", "most", "seconds"),
    [(False, None, PASS_S), (True, None, SLICE_S), (False, 8, SLICE_S), (True, 8, SLICE_S)],
)
def test_a_slice_takes_its_time_whatever_the_models_speed(
    brief: bool, most: int | None, seconds: float
) -> None:
    part = Slice()
    part.most = most
    part.took(5000, 1.0)
    assert part.tokens(brief=brief) == pytest.approx(5000 * seconds, abs=1)
