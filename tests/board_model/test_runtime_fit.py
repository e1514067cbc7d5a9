"""A fit gives back what made the timings, and says how far off it is when they are noisy."""

from __future__ import annotations

import random

import pytest
from calibrated import TIMED
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.runtime import Runtime, RunTiming, fit_error, fit_runtime

PROMPTS = (1, 16, 32, 64, 256, 512, 768, 1024, 1536, 1920)
ANSWERS = (1, 32, 96)


def timings(
    runtime: Runtime, noise: float = 0.0, held_up: float = 0.0, seed: int = 1, trials: int = 3
) -> list[RunTiming]:
    """Runs of all sizes; a share of them `held_up` two to four times as long."""
    dice = random.Random(seed)

    def slower() -> float:
        busy = dice.uniform(2, 4) if dice.random() < held_up else 1.0
        return busy * dice.lognormvariate(0, noise)

    return [
        RunTiming(
            p, o, runtime.prefill_s(p) * slower(), runtime.decode_s(o - 1, p + o / 2) * slower()
        )
        for p in PROMPTS
        for o in ANSWERS
        for _ in range(trials)
    ]


STEPS = st.lists(st.floats(0.001, 1.0), min_size=len(PROMPTS), max_size=len(PROMPTS))


@given(STEPS, st.floats(1e-4, 0.5), st.sampled_from([0.0, 1e-6, 1e-5]))
def test_exact_timings_give_back_their_table(
    steps: list[float], step_s: float, slope_s: float
) -> None:
    table = tuple((p, sum(steps[: i + 1])) for i, p in enumerate(PROMPTS))
    exact = timings(Runtime(table, step_s, slope_s), trials=1)
    runtime = fit_runtime(exact)
    assert [p for p, _ in runtime.prefill] == list(PROMPTS)
    assert [s for _, s in runtime.prefill] == pytest.approx([s for _, s in table])
    assert runtime.step_s == pytest.approx(step_s, rel=1e-6)
    assert runtime.step_context_s == pytest.approx(slope_s, rel=1e-3, abs=1e-12)
    told = [runtime.seconds(t.prompt_tokens, t.completion_tokens) for t in exact]
    assert told == pytest.approx([t.seconds for t in exact], rel=1e-6)
    assert fit_error(runtime, exact) < 1e-6


@given(st.integers(0, 1000))
def test_noise_makes_no_slope_that_matters(seed: int) -> None:
    flat = Runtime(TIMED.prefill, 0.01)
    runtime = fit_runtime(timings(flat, noise=0.05, seed=seed))
    assert runtime.decode_s(1, 4000) == pytest.approx(0.01, rel=0.15)
    assert fit_runtime(timings(flat)).step_context_s == pytest.approx(0, abs=1e-12)


def test_few_runs_that_were_disturbed_make_no_slope() -> None:
    disturbed = [
        RunTiming(16, 25, 0.1, 2.4),
        RunTiming(64, 25, 0.4, 24.0),
        RunTiming(64, 5, 0.3, 2.0),
    ]
    assert fit_runtime(disturbed).step_context_s == 0.0


def test_the_curvature_of_the_table_is_what_a_pair_costs() -> None:
    table = tuple((p, 0.01 + 5e-3 * p + 4e-6 * p * p / 2) for p in PROMPTS)
    assert fit_runtime(timings(Runtime(table, 0.01))).pair_s == pytest.approx(4e-6)


@given(st.integers(0, 1000))
def test_a_table_never_falls_however_noisy_the_timings(seed: int) -> None:
    fit = fit_runtime(timings(TIMED, noise=1.0, seed=seed, trials=1))
    seconds = [s for _, s in fit.prefill]
    assert seconds == sorted(seconds)


@given(st.integers(0, 1000))
def test_promises_stand_though_a_tenth_of_the_runs_is_held_up(seed: int) -> None:
    fit = fit_runtime(timings(TIMED, noise=0.03, held_up=0.1, seed=seed, trials=5))
    true = [TIMED.seconds(p, o) for p in (40, 400, 1200) for o in (16, 200)]
    told = [fit.seconds(p, o) for p in (40, 400, 1200) for o in (16, 200)]
    assert sorted(abs(a / b - 1) for a, b in zip(told, true, strict=True))[3] < 0.1


def test_the_error_is_that_of_the_noise() -> None:
    clean, noisy = timings(TIMED), timings(TIMED, noise=0.1)
    errors = [fit_error(fit_runtime(runs), runs) for runs in (clean, noisy)]
    assert errors[0] < 1e-3 < 0.03 < errors[1] < 0.2


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="there are none"):
        fit_runtime([])
    with pytest.raises(ValueError, match="completion_tokens of 2 or more"):
        fit_runtime([RunTiming(16, 1, 0.1, 0.0)])


@pytest.mark.parametrize(
    ("prompt", "answer", "prefill_s", "decode_s"),
    [(0, 2, 0.1, 0.1), (4, 0, 0.1, 0.0), (4, 2, 0.0, 0.1), (4, 2, 0.1, 0.0), (4, 1, 0.1, -1.0)],
)
def test_impossible_timings_are_refused(
    prompt: int, answer: int, prefill_s: float, decode_s: float
) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RunTiming(prompt, answer, prefill_s, decode_s)
