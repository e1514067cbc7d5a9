"""Every known model has a prediction, which grows with every token and gets better by answers."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from statistics import median

import msgspec
import pytest
from calibrated import BOARD, DRAWS, SMOL, TIMED, calibration
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.calibration import ModelCalibration
from edge_rt.board_model.model_cost import BoardFigures, ModelCost
from edge_rt.board_model.roofline import Ceilings, board_ceilings
from edge_rt.board_model.runtime import Runtime
from edge_rt.core.routing import Prediction, RequestTokens, Served

BARE = replace(BOARD, watts=None)
PREFILL_W, DECODE_W = 2.0, 1.5
TOKENS = st.integers(1, 3000)
TAUGHT = st.lists(
    st.builds(
        Served,
        st.integers(1, 2000),
        st.integers(0, 2000),
        st.integers(1, 500),
        st.floats(0, 100),
        st.floats(0, 100),
        st.none() | st.floats(0, 100),
    ),
    max_size=8,
)


def knowing(*calibrations: ModelCalibration, bare: bool = False) -> ModelCost:
    return ModelCost(SMOL, BARE if bare else BOARD, calibrations)


def predict(
    cost: ModelCost,
    prompt: int = 256,
    cached: int = 0,
    answer: int = 64,
    *,
    threads: int = 1,
    duty: float = 1.0,
    idle_w: float | None = None,
) -> Prediction:
    return cost.predict(threads, RequestTokens(prompt, cached, answer), duty, idle_w)


def served(
    prompt: int = 256,
    cached: int = 0,
    answer: int = 64,
    *,
    slower: float = 1.0,
    true: Runtime = TIMED,
) -> Served:
    """Return what an answer takes on a board whose truth is `true`, times `slower`."""
    prefill_s = slower * true.prefill_s(prompt - cached, cached)
    decode_s = slower * true.decode_s(answer - 1, prompt + answer / 2)
    energy_j = PREFILL_W * prefill_s + DECODE_W * decode_s
    return Served(prompt, cached, answer, prefill_s, decode_s, energy_j)


def requests(count: int, seed: int) -> list[Served]:
    """Prompts and answers of all sizes, some of them after others of the same conversation."""
    dice = random.Random(seed)
    sizes = [
        (dice.randint(8, 900), dice.choice([0, dice.randint(0, 800)]), dice.randint(2, 128))
        for _ in range(count)
    ]
    return [
        served(new + cached, cached, answer, slower=dice.lognormvariate(0, 0.05))
        for new, cached, answer in sizes
    ]


def errors(cost: ModelCost, answers: list[Served]) -> tuple[list[float], list[float]]:
    """Of seconds and of joules, each before the cost learns the answer."""
    seconds: list[float] = []
    joules: list[float] = []
    for answer in answers:
        told = predict(cost, answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens)
        seconds.append(abs(told.seconds / (answer.prefill_s + answer.decode_s) - 1))
        assert answer.energy_j is not None
        if told.energy_j is not None:
            joules.append(abs(told.energy_j / answer.energy_j - 1))
        cost.learn(1, answer)
    return seconds, joules


# --- what holds of any prediction


@given(st.booleans(), st.integers(1, 8), TAUGHT, TOKENS, st.integers(0, 3000), TOKENS)
def test_no_token_makes_an_answer_cheaper(
    timed: bool, threads: int, taught: list[Served], prompt: int, cached: int, answer: int
) -> None:
    cost = knowing(calibration()) if timed else knowing()
    for one in taught:
        cost.learn(threads, one)
    here = predict(cost, prompt, cached, answer, threads=threads)
    longer = predict(cost, prompt + 1, cached, answer, threads=threads)
    further = predict(cost, prompt, cached, answer + 1, threads=threads)
    assert 0 < here.seconds < math.inf
    assert here.energy_j is not None
    for more in (longer, further):
        assert more.seconds >= here.seconds * (1 - 1e-12)
        assert more.energy_j is not None
        assert more.energy_j >= here.energy_j * (1 - 1e-12)


@given(st.floats(0.05, 1.0))
def test_pacing_stretches_time_and_costs_idle_power_alone(duty: float) -> None:
    cost = knowing(calibration())
    full, paced = predict(cost), predict(cost, duty=duty)
    assert paced.seconds == pytest.approx(full.seconds / duty)
    assert paced.prefill_s + paced.decode_s == pytest.approx(paced.seconds)
    assert paced.energy_j == full.energy_j
    assert paced.total_j is not None
    assert full.total_j is not None
    assert paced.total_j - full.total_j == pytest.approx(3.0 * (paced.seconds - full.seconds))
    assert paced.power_w == pytest.approx(paced.total_j / paced.seconds)


def test_cached_tokens_save_their_reading_but_lengthen_the_context() -> None:
    cost = knowing(calibration())
    none, most = predict(cost, 500), predict(cost, 500, cached=490)
    assert most.prefill_s < none.prefill_s / 10
    assert most.decode_s == none.decode_s
    assert most.prefill_s > predict(cost, 10).prefill_s


# --- where it comes from


def test_each_prediction_says_what_it_is_based_on() -> None:
    uncalibrated = knowing()
    assert predict(uncalibrated).basis == "roofline"
    uncalibrated.learn(1, served())
    assert predict(uncalibrated).basis == "learnt"
    assert predict(uncalibrated, threads=3).basis == "learnt"
    calibrated = knowing(calibration())
    calibrated.learn(1, served())
    assert predict(calibrated).basis == "calibrated"


# --- learning


@pytest.mark.parametrize("seed", range(5))
def test_a_calibrated_board_predicts_within_its_bars(seed: int) -> None:
    seconds, joules = errors(knowing(calibration()), requests(40, seed))
    assert median(seconds) < 0.06
    assert median(joules) < 0.06


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bare", [False, True])
def test_an_uncalibrated_board_predicts_decently_after_a_few_answers(seed: int, bare: bool) -> None:
    cost = knowing(bare=bare)
    seconds, joules = errors(cost, requests(40, seed))
    assert seconds[0] < 3.0
    assert median(seconds[5:]) < 0.15
    assert median(joules[-35:]) < 0.2
    assert predict(cost).error_ratio < 0.25


def test_a_board_that_slows_down_is_followed() -> None:
    cost = knowing(calibration())
    for _ in range(12):
        cost.learn(1, served(slower=1.6))
    plain = predict(knowing(calibration())).seconds
    assert predict(cost).seconds == pytest.approx(1.6 * plain, rel=0.05)


def test_joules_have_an_error_of_their_own() -> None:
    told = predict(knowing(calibration()))
    assert told.error_ratio == pytest.approx(0.04)
    off = msgspec.structs.replace(DRAWS, error_ratio=0.2)
    wrong = predict(knowing(calibration(draws=off)))
    assert wrong.error_ratio == told.error_ratio
    assert told.energy_error_ratio is not None
    assert wrong.energy_error_ratio is not None
    assert told.energy_error_ratio < 0.1 < 0.2 < wrong.energy_error_ratio < 0.25


def test_joules_that_are_off_are_corrected_and_told_to_be_uncertain() -> None:
    cost = knowing(calibration())
    for _ in range(12):
        answer = served()
        assert answer.energy_j is not None
        cost.learn(1, replace(answer, energy_j=1.5 * answer.energy_j))
    before, after = predict(knowing(calibration())), predict(cost)
    assert before.energy_j is not None
    assert after.energy_j == pytest.approx(1.5 * before.energy_j, rel=0.05)
    assert after.seconds == pytest.approx(before.seconds)


def test_joules_of_a_board_without_figures_are_learnt() -> None:
    cost = knowing(bare=True)
    told = predict(cost)
    assert (told.energy_j, told.total_j, told.energy_error_ratio) == (None, None, None)
    for _ in range(3):
        cost.learn(1, served())
    told = predict(cost)
    assert told.energy_j == pytest.approx(served().energy_j, rel=0.05)
    assert told.total_j is None
    told = predict(cost, idle_w=2.5)
    assert told.energy_j is not None
    assert told.total_j == pytest.approx(told.energy_j + 2.5 * told.seconds)


def test_a_calibration_without_power_promises_no_joules() -> None:
    cost = knowing(calibration(draws=None), bare=True)
    assert predict(cost).energy_j is None
    cost.learn(1, served())
    assert predict(cost).energy_j == pytest.approx(served().energy_j, rel=0.05)


def test_what_the_board_draws_idle_now_counts() -> None:
    cost = knowing(calibration())
    before = predict(cost)
    after = predict(cost, idle_w=4.0)
    assert after.energy_j == before.energy_j
    assert before.total_j is not None
    assert after.total_j == pytest.approx(before.total_j + after.seconds)


@pytest.mark.parametrize("bare", [False, True])
def test_a_model_without_a_calibration_draws_what_others_do(bare: bool) -> None:
    cost = ModelCost(SMOL, BARE if bare else BOARD, (), [calibration(threads=4)])
    told = predict(cost, threads=4)
    assert told.basis == "roofline"
    assert told.energy_j == pytest.approx(PREFILL_W * told.prefill_s + DECODE_W * told.decode_s)
    half = predict(cost, threads=2)
    assert half.energy_j == pytest.approx(
        (PREFILL_W * half.prefill_s + DECODE_W * half.decode_s) / 2
    )


def test_a_board_that_nothing_is_calibrated_on_draws_what_its_profile_says() -> None:
    told = predict(knowing(), threads=2)
    assert told.energy_j == pytest.approx(3.0 * (told.prefill_s + told.decode_s))


def test_measured_ceilings_count_before_the_profile_but_for_a_gpu() -> None:
    few, most = Ceilings(flop_per_s=1e9, byte_per_s=2e9), Ceilings(flop_per_s=3e9, byte_per_s=4e9)
    known = [calibration(threads=4, sweep=most), calibration(threads=1, sweep=few, days=1)]
    cores = BoardFigures.of(None, 4, known, gpu=False)
    assert (cores.cores, cores.ceilings) == (4, Ceilings(3e9, 4e9))
    gpu = BoardFigures.of(None, 4, known, gpu=True)
    assert (gpu.cores, gpu.ceilings) == (1, board_ceilings(None, 4, gpu=True))


def test_the_newest_of_several_calibrations_counts() -> None:
    slower = replace(TIMED, step_s=1.0)
    told = predict(knowing(calibration(days=2, promise=slower), calibration(days=1)))
    assert told.decode_s == pytest.approx(slower.decode_s(63, 256 + 32))


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    cost = knowing(calibration())
    whole = predict(cost, 100, 100)
    assert whole == predict(cost, 100, 99) == predict(cost, 100, 500)
    assert predict(cost, 0, 0) == predict(cost, 1, -5)
