"""Rates begin with what is known of the board, and follow what lasts."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from calibrated import HARDWARE, SMOL, TIMED
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.rates import FEW, Hardware, Phase, Rates, Timed, error_ratio_of
from edge_rt.board_model.roofline import Ceilings, Roofline

PHASES: tuple[Phase, ...] = ("prefill", "decode")
SECONDS = st.floats(1e-6, 1e6)
ANSWERS = st.lists(
    st.tuples(st.sampled_from(PHASES), st.integers(1, 8), st.integers(1, 500), SECONDS), max_size=20
)


def knowing(*threads: int, hardware: Hardware = HARDWARE) -> Rates:
    """SmolLM2, calibrated with so many threads, each time as long as with one."""
    rates = Rates()
    rates.know("smol", SMOL, hardware, {t: Timed(TIMED, 0.04) for t in threads})
    return rates


def seconds(rates: Rates, phase: Phase = "decode", threads: int = 1, clock: float = 1.0) -> float:
    found = rates.seconds("smol", phase, threads, clock, 64, 256)
    assert found is not None
    return found.seconds


def error(rates: Rates, phase: Phase = "decode", threads: int = 1) -> float:
    found = rates.seconds("smol", phase, threads, 1.0, 64, 256)
    assert found is not None
    return error_ratio_of(found.deviation)


def learn(rates: Rates, *slower: float, phase: Phase = "decode", threads: int = 1) -> None:
    """Answers that take so many times what was calibrated."""
    known = TIMED.decode_s if phase == "decode" else TIMED.prefill_s
    for times in slower:
        rates.learn("smol", phase, threads, 1.0, 64, times * known(64, 256), 256)


# --- what they begin with


def test_a_calibration_is_taken_as_it_is() -> None:
    rates = knowing(1, 4)
    for threads in (1, 4):
        assert seconds(rates, "prefill", threads) == TIMED.prefill_s(64, 256)
        assert seconds(rates, "decode", threads) == TIMED.decode_s(64, 256)
        assert error(rates, threads=threads) == pytest.approx(0.04)


def test_all_cores_reach_the_roofline_where_nothing_is_calibrated() -> None:
    rates, roofline = knowing(), Roofline(SMOL, HARDWARE.ceilings)
    assert seconds(rates, "prefill", 4) == pytest.approx(roofline.prefill_s(64, 256))
    assert seconds(rates, "decode", 4) == pytest.approx(roofline.decode_s(64, 256))
    assert error(rates) == pytest.approx(1.0)


def test_other_threads_and_clocks_follow_amdahl_from_the_nearest_calibration() -> None:
    rates = knowing(1)
    for phase, memory in (("prefill", 0.03), ("decode", 0.25)):
        for threads, clock in ((2, 1.0), (4, 0.5), (3, 0.8), (1, 0.5)):
            pass_s = memory + (1.0 - memory) / (threads * clock)
            ratio = seconds(rates, phase, threads, clock) / seconds(rates, phase)
            assert ratio == pytest.approx(pass_s)
    assert error(rates) < error(rates, threads=2) < error(rates, threads=4) < 1.0
    assert seconds(rates, threads=64) == seconds(rates, threads=4)


def test_threads_are_nothing_to_a_gpu() -> None:
    rates = knowing(hardware=Hardware(1, Ceilings(1e12, 1e11), gpu=True))
    assert seconds(rates, threads=1) == seconds(rates, threads=4)
    half = 0.5 + 0.5 / 0.5  # of a pass it waits for memory twice as long as cores do
    assert seconds(rates, clock=0.5) == pytest.approx(half * seconds(rates))


@given(st.booleans(), ANSWERS, st.sampled_from(PHASES), st.integers(1, 6), st.floats(0.1, 0.9))
def test_no_thread_or_clock_makes_it_slower(
    timed: bool, answers: list[tuple[Phase, int, int, float]], phase: Phase, n: int, clock: float
) -> None:
    rates = knowing(2) if timed else knowing()
    for learnt, threads, tokens, took_s in answers:
        rates.learn("smol", learnt, threads, 1.0, tokens, took_s)
    assert 0.0 < seconds(rates, phase, n) < math.inf
    assert seconds(rates, phase, n + 1) <= seconds(rates, phase, n) * (1 + 1e-9)
    assert seconds(rates, phase, n, clock) > seconds(rates, phase, n)


# --- what they learn


def test_a_lasting_change_is_followed_at_all_settings_of_that_phase_alone() -> None:
    rates, plain = knowing(1), knowing(1)
    learn(rates, *[1.6] * 12)
    for threads, clock in ((1, 1.0), (2, 1.0), (4, 0.5)):
        ratio = seconds(rates, "decode", threads, clock) / seconds(plain, "decode", threads, clock)
        assert ratio == pytest.approx(1.6, rel=0.05)
    assert seconds(rates, "prefill") == seconds(plain, "prefill")


def test_a_calibration_without_an_error_is_corrected_too() -> None:
    rates = Rates()
    rates.know("smol", SMOL, HARDWARE, {1: Timed(TIMED, 0.0)})
    learn(rates, *[1.6] * 12)
    assert seconds(rates) == pytest.approx(1.6 * TIMED.decode_s(64, 256), rel=0.05)


def test_a_calibration_weighs_as_much_as_two_answers() -> None:
    rates = knowing(1)
    learn(rates, 1.05)
    assert 1.0 < seconds(rates) / TIMED.decode_s(64, 256) < 1.05 ** (1 / 2)


def test_the_first_answer_counts_in_full_where_only_a_roofline_was_known() -> None:
    rates = knowing()
    learn(rates, 1.0, threads=4)
    assert seconds(rates, threads=4) == pytest.approx(TIMED.decode_s(64, 256))


def test_one_answer_that_was_held_up_hardly_moves_them() -> None:
    rates = knowing(1)
    learn(rates, 1.0, 50.0)
    assert seconds(rates) == pytest.approx(TIMED.decode_s(64, 256), rel=0.06)
    learn(rates, *[1.0] * 6)
    assert seconds(rates) == pytest.approx(TIMED.decode_s(64, 256), rel=0.02)


@pytest.mark.parametrize("spread", [0.01, 0.1, 0.4])
def test_errors_to_expect_follow_the_errors_made(spread: float) -> None:
    rates, dice, within = knowing(1), random.Random(3), 0
    for number in range(300):
        slower = dice.lognormvariate(0.0, spread)
        if number >= 20:
            within += abs(math.log(slower)) < math.log1p(error(rates))
        learn(rates, slower)
    assert 0.35 < within / 280 < 0.65


@pytest.mark.parametrize("took_s", [0.0, -1.0, math.nan, math.inf])
def test_impossible_seconds_and_too_few_tokens_teach_nothing(took_s: float) -> None:
    rates = knowing(1)
    rates.learn("smol", "decode", 1, 1.0, 64, took_s)
    rates.learn("smol", "decode", 1, 1.0, FEW - 1, 99.0)
    assert seconds(rates) == seconds(knowing(1))


def test_what_a_model_is_known_by_is_told() -> None:
    rates = knowing()
    assert (rates.basis("smol"), rates.basis("else")) == ("roofline", None)
    learn(rates, 1.0)
    assert rates.basis("smol") == "learnt"
    assert knowing(2).basis("smol") == "calibrated"


def test_a_model_that_is_not_known_has_no_rate_and_learns_none() -> None:
    rates = knowing(1)
    rates.learn("else", "decode", 1, 1.0, 64, 9.0)
    assert rates.seconds("else", "decode", 1) is None


def test_new_calibrations_end_what_was_learnt_against_the_old() -> None:
    rates = knowing(1)
    learn(rates, *[3.0] * 9)
    slower = replace(TIMED, step_s=2 * TIMED.step_s)
    rates.know("smol", SMOL, HARDWARE, {1: Timed(slower, 0.04)})
    assert seconds(rates) == slower.decode_s(64, 256)
