"""Seconds begin with what is known of the board, and follow what lasts."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from calibrated import BOARD, SMOL, TIMED, calibration
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.drift import error_ratio_of
from edge_rt.board_model.model_cost import FEW, BoardFigures, ModelCost, Phase
from edge_rt.board_model.roofline import roofline
from edge_rt.core.routing import Served

PHASES: tuple[Phase, ...] = ("prefill", "decode")
PROMPT, ANSWER = 64, 385
STEPS, CONTEXT = ANSWER - 1, PROMPT + ANSWER / 2
SECONDS = st.floats(1e-6, 1e6)
ANSWERS = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 500), SECONDS), max_size=20)


def knowing(*threads: int, board: BoardFigures = BOARD) -> ModelCost:
    """SmolLM2, calibrated with so many threads, each time as long as with one."""
    return ModelCost(SMOL, board, [calibration(threads=count) for count in threads])


def seconds(cost: ModelCost, phase: Phase = "decode", threads: int = 1) -> float:
    tokens = (PROMPT, 0.0) if phase == "prefill" else (STEPS, CONTEXT)
    return cost.seconds(phase, threads, *tokens).seconds


def error(cost: ModelCost, phase: Phase = "decode", threads: int = 1) -> float:
    tokens = (PROMPT, 0.0) if phase == "prefill" else (STEPS, CONTEXT)
    return error_ratio_of(cost.seconds(phase, threads, *tokens).deviation)


PREFILL_S, DECODE_S = TIMED.prefill_s(PROMPT), TIMED.decode_s(STEPS, CONTEXT)


def learn(cost: ModelCost, *slower: float, threads: int = 1) -> None:
    """Answers whose decoding takes so many times what was calibrated."""
    for times in slower:
        cost.learn(threads, Served(PROMPT, 0, ANSWER, PREFILL_S, times * DECODE_S))


# --- what they begin with


def test_a_calibration_is_taken_as_it_is() -> None:
    cost = knowing(1, 4)
    for threads in (1, 4):
        assert seconds(cost, "prefill", threads) == PREFILL_S
        assert seconds(cost, "decode", threads) == DECODE_S
        assert error(cost, threads=threads) == pytest.approx(0.04)


def test_without_one_the_roofline_holds_for_all_cores() -> None:
    cost, expected = knowing(), roofline(SMOL, BOARD.ceilings)
    assert seconds(cost, "prefill", 4) == pytest.approx(expected.prefill_s(PROMPT))
    assert seconds(cost, "decode", 4) == pytest.approx(expected.decode_s(STEPS, CONTEXT))
    assert error(cost) == pytest.approx(1.0)


def test_other_threads_follow_amdahl_from_the_nearest_calibration() -> None:
    cost = knowing(1)
    for phase, memory in zip(PHASES, (0.03, 0.25), strict=True):
        for threads in (2, 3, 4):
            ratio = seconds(cost, phase, threads) / seconds(cost, phase)
            assert ratio == pytest.approx(memory + (1.0 - memory) / threads)
    assert error(cost) < error(cost, threads=2) < error(cost, threads=4) < 1.0
    assert seconds(cost, threads=64) == seconds(cost, threads=4)


def test_threads_are_nothing_to_a_gpu() -> None:
    cost = knowing(board=BoardFigures.of(None, 4, (), gpu=True))
    assert seconds(cost, threads=1) == seconds(cost, threads=4)


@given(st.booleans(), ANSWERS, st.sampled_from(PHASES), st.integers(1, 6))
def test_no_thread_makes_it_slower(
    timed: bool, answers: list[tuple[int, int, float]], phase: Phase, count: int
) -> None:
    cost = knowing(2) if timed else knowing()
    for threads, tokens, took_s in answers:
        cost.learn(threads, Served(tokens, 0, tokens, took_s, took_s))
    assert 0.0 < seconds(cost, phase, count) < math.inf
    assert seconds(cost, phase, count + 1) <= seconds(cost, phase, count) * (1 + 1e-9)


# --- what they learn


def test_a_lasting_change_is_followed_at_all_threads_of_that_phase_alone() -> None:
    cost, plain = knowing(1), knowing(1)
    learn(cost, *[1.6] * 12)
    for threads in (1, 2, 4):
        ratio = seconds(cost, "decode", threads) / seconds(plain, "decode", threads)
        assert ratio == pytest.approx(1.6, rel=0.05)
    assert seconds(cost, "prefill") == pytest.approx(seconds(plain, "prefill"))


def test_a_calibration_without_an_error_is_corrected_too() -> None:
    cost = ModelCost(SMOL, BOARD, [msgspec.structs.replace(calibration(), error_ratio=0.0)])
    learn(cost, *[1.6] * 12)
    assert seconds(cost) == pytest.approx(1.6 * DECODE_S, rel=0.05)


def test_a_calibration_weighs_as_much_as_two_answers() -> None:
    cost = knowing(1)
    learn(cost, 1.05)
    assert 1.0 < seconds(cost) / DECODE_S < 1.05 ** (1 / 2)


def test_the_first_answer_counts_in_full_where_only_a_roofline_was_known() -> None:
    cost = knowing()
    learn(cost, 1.0, threads=4)
    assert seconds(cost, threads=4) == pytest.approx(DECODE_S)


def test_one_answer_that_was_held_up_hardly_moves_them() -> None:
    cost = knowing(1)
    learn(cost, 1.0, 50.0)
    assert seconds(cost) == pytest.approx(DECODE_S, rel=0.06)
    learn(cost, *[1.0] * 6)
    assert seconds(cost) == pytest.approx(DECODE_S, rel=0.02)


@pytest.mark.parametrize("spread", [0.01, 0.1, 0.4])
def test_errors_to_expect_follow_the_errors_made(spread: float) -> None:
    cost, dice, within = knowing(1), random.Random(3), 0
    for number in range(300):
        slower = dice.lognormvariate(0.0, spread)
        if number >= 20:
            within += abs(math.log(slower)) < math.log1p(error(cost))
        learn(cost, slower)
    assert 0.35 < within / 280 < 0.65


@pytest.mark.parametrize("took_s", [0.0, -1.0, math.nan, math.inf])
def test_impossible_seconds_and_too_few_tokens_teach_nothing(took_s: float) -> None:
    cost = knowing(1)
    cost.learn(1, Served(PROMPT, 0, ANSWER, took_s, took_s))
    cost.learn(1, Served(FEW - 1, 0, FEW, 99.0, 99.0))
    for phase in PHASES:
        assert seconds(cost, phase) == seconds(knowing(1), phase)
