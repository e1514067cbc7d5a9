"""Time grows with every token, and a step's time is the least of a prompt's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.runtime import Runtime

TOKENS = st.integers(1, 5000)
SECONDS = st.floats(0.0, 0.1)
RUNTIMES = st.builds(Runtime, st.floats(1e-6, 1.0), SECONDS, SECONDS, SECONDS)


@given(RUNTIMES, TOKENS, TOKENS)
def test_no_token_makes_an_answer_shorter(runtime: Runtime, prompt: int, answer: int) -> None:
    here = runtime.seconds(prompt, answer)
    assert 0 < here < math.inf
    assert runtime.seconds(prompt + 1, answer) >= here * (1 - 1e-12)
    assert runtime.seconds(prompt, answer + 1) >= here


@given(RUNTIMES, TOKENS, TOKENS)
def test_cached_tokens_cost_no_more_than_being_looked_back_at(
    runtime: Runtime, computed: int, cached: int
) -> None:
    more = runtime.prefill_s(computed, cached) - runtime.prefill_s(computed)
    assert more == pytest.approx(runtime.pair_s * computed * cached, abs=1e-6)


@given(RUNTIMES, TOKENS)
def test_a_prompt_takes_no_less_than_a_step(runtime: Runtime, tokens: int) -> None:
    assert runtime.prefill_s(tokens) >= runtime.step_s


def test_steps_take_longer_as_the_context_grows() -> None:
    runtime = Runtime(step_s=0.1, token_s=0.1, step_context_s=0.01)
    by_step = sum(0.1 + 0.01 * (20 + drawn) for drawn in range(1, 8))
    assert runtime.decode_s(7, 20 + 8 / 2) == pytest.approx(by_step)
    assert runtime.decode_s(0, 100) == 0


@pytest.mark.parametrize("name", ["step_s", "token_s", "step_context_s", "pair_s"])
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_impossible_figures_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Runtime(**({"step_s": 0.1, "token_s": 0.1} | {name: value}))


def test_a_model_that_takes_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="step_s and token_s"):
        Runtime(0.0, 0.0)
