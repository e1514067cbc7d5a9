"""A fit gives back what made the runs, and says how far off it is when they are noisy."""

from __future__ import annotations

import random

import pytest
from calibrated import TIMED
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.runtime import Runtime, fit_error, fit_runtime
from edge_rt.core.routing import Served

PROMPTS = (16, 32, 64, 256, 512, 768, 1024, 1536, 1920)
ANSWERS = (1, 32, 96)
# Of SmolLM2 on one core, as timed: prompts and seconds to the first token.
MEASURED = ((16, 0.0838), (64, 0.324), (256, 1.41), (512, 3.03), (1024, 7.18))


def runs(
    runtime: Runtime, noise: float = 0.0, held_up: float = 0.0, seed: int = 1, trials: int = 3
) -> list[Served]:
    """Runs of all sizes; a share of them `held_up` two to four times as long."""
    dice = random.Random(seed)

    def slower() -> float:
        busy = dice.uniform(2, 4) if dice.random() < held_up else 1.0
        return busy * dice.lognormvariate(0, noise)

    return [
        Served(
            p, 0, o, runtime.prefill_s(p) * slower(), runtime.decode_s(o - 1, p + o / 2) * slower()
        )
        for p in PROMPTS
        for o in ANSWERS
        for _ in range(trials)
    ]


@given(
    st.floats(1e-4, 0.5), st.floats(1e-4, 0.5), st.sampled_from([0.0, 1e-6, 1e-5]), st.booleans()
)
def test_exact_runs_give_back_their_figures(
    step_s: float, token_s: float, slope_s: float, pairs: bool
) -> None:
    exact = runs(true := Runtime(step_s, token_s, slope_s, 1e-5 * pairs), trials=1)
    runtime = fit_runtime(exact)
    assert runtime.step_s == pytest.approx(true.step_s, rel=1e-6)
    assert runtime.token_s == pytest.approx(true.token_s, rel=1e-6)
    assert runtime.step_context_s == pytest.approx(slope_s, rel=1e-3, abs=1e-12)
    assert runtime.pair_s == pytest.approx(true.pair_s, rel=1e-3, abs=1e-12)
    assert fit_error(runtime, exact) < 1e-6


def test_a_timed_model_is_met_at_every_length_and_beyond() -> None:
    decoded = [TIMED.decode_s(24, p + 12) for p, _ in MEASURED]
    timed = [Served(p, 0, 25, s, d) for (p, s), d in zip(MEASURED, decoded, strict=True)]
    for known in (timed, timed[:-1]):
        runtime = fit_runtime(known)
        for prompt, measured_s in MEASURED:
            assert runtime.prefill_s(prompt) == pytest.approx(measured_s, rel=0.05)


@given(st.integers(0, 1000))
def test_noise_makes_no_slope_that_matters(seed: int) -> None:
    flat = Runtime(0.01, 0.005)
    runtime = fit_runtime(runs(flat, noise=0.05, seed=seed))
    assert runtime.decode_s(1, 4000) == pytest.approx(0.01, rel=0.15)
    assert fit_runtime(runs(flat)).step_context_s == pytest.approx(0, abs=1e-12)


def test_few_runs_that_were_disturbed_make_no_slope() -> None:
    disturbed = [
        Served(16, 0, 25, 0.1, 2.4),
        Served(64, 0, 25, 0.4, 24.0),
        Served(64, 0, 5, 0.3, 2.0),
    ]
    assert fit_runtime(disturbed).step_context_s == 0.0


@given(st.integers(0, 1000))
def test_figures_stand_though_a_tenth_of_the_runs_is_held_up(seed: int) -> None:
    fit = fit_runtime(runs(TIMED, noise=0.03, held_up=0.1, seed=seed, trials=5))
    true = [TIMED.seconds(p, o) for p in (40, 400, 1200) for o in (16, 200)]
    told = [fit.seconds(p, o) for p in (40, 400, 1200) for o in (16, 200)]
    assert sorted(abs(a / b - 1) for a, b in zip(told, true, strict=True))[3] < 0.1


def test_the_error_is_that_of_the_noise() -> None:
    clean, noisy = runs(TIMED), runs(TIMED, noise=0.1)
    errors = [fit_error(fit_runtime(some), some) for some in (clean, noisy)]
    assert errors[0] < 1e-3 < 0.03 < errors[1] < 0.2


def test_what_is_missing_is_named() -> None:
    for missing in ([], [Served(16, 0, 1, 0.1, 0.0)]):
        with pytest.raises(ValueError, match="completion_tokens of 2 or more"):
            fit_runtime(missing)
    with pytest.raises(ValueError, match="prompt_tokens of 2 or more"):
        fit_runtime([Served(1, 0, 5, 0.1, 0.5)])
