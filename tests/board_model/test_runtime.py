"""Time grows with every token, agrees with its table, and goes on beyond it as attention does."""

from __future__ import annotations

import math

import pytest
from calibrated import TIMED
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.runtime import Runtime

TOKENS = st.integers(1, 5000)
SECONDS = st.floats(0.0, 0.1)
STEPS = st.tuples(st.integers(1, 400), st.floats(0.0, 2.0))


@st.composite
def runtimes(draw: st.DrawFn) -> Runtime:
    """Any that may be."""
    tokens, seconds, table = 0, 1e-3, list[tuple[int, float]]()
    for more, longer in draw(st.lists(STEPS, min_size=1, max_size=8)):
        tokens, seconds = tokens + more, seconds + longer
        table.append((tokens, seconds))
    return Runtime(tuple(table), draw(SECONDS), draw(SECONDS), draw(SECONDS))


@given(runtimes(), TOKENS, TOKENS)
def test_no_token_makes_an_answer_shorter(runtime: Runtime, prompt: int, answer: int) -> None:
    here = runtime.seconds(prompt, answer)
    assert 0 < here < math.inf
    assert runtime.seconds(prompt + 1, answer) >= here * (1 - 1e-12)
    assert runtime.seconds(prompt, answer + 1) >= here


@given(runtimes(), TOKENS, TOKENS)
def test_cached_tokens_cost_no_more_than_being_looked_back_at(
    runtime: Runtime, computed: int, cached: int
) -> None:
    more = runtime.prefill_s(computed, cached) - runtime.prefill_s(computed)
    assert more == pytest.approx(runtime.pair_s * computed * cached, abs=1e-6)


@given(runtimes())
def test_the_table_is_kept_to(runtime: Runtime) -> None:
    for tokens, seconds in runtime.prefill:
        assert runtime.prefill_s(tokens) == pytest.approx(seconds)
    assert runtime.decode_s(0, 100) == 0


def test_where_pairs_cost_nothing_time_is_linear_between_two_points() -> None:
    runtime = Runtime(((64, 1.0), (128, 2.0)), step_s=0.1)
    assert runtime.prefill_s(80) == pytest.approx(1.25)
    assert runtime.prefill_s(16) == pytest.approx(0.25)
    assert runtime.prefill_s(1) == 0.1  # no less than a step, which does the same


def test_steps_take_longer_as_the_context_grows() -> None:
    runtime = Runtime(((1, 0.1),), step_s=0.1, step_context_s=0.01)
    by_step = sum(0.1 + 0.01 * (20 + drawn) for drawn in range(1, 8))
    assert runtime.decode_s(7, 20 + 8 / 2) == pytest.approx(by_step)


@given(st.integers(1, 20_000))
def test_between_the_points_and_beyond_a_true_curve_is_followed(tokens: int) -> None:
    def curve(p: int) -> float:
        return 0.01 + 5e-3 * p + 4e-6 * p * p / 2

    points = tuple((p, curve(p)) for p in (1, 64, 256, 512, 768, 1024))
    runtime = Runtime(points, step_s=0.01, pair_s=4e-6)
    assert runtime.prefill_s(tokens) == pytest.approx(curve(tokens))


def test_a_flat_end_of_the_table_does_not_promise_long_prompts_for_nothing() -> None:
    runtime = Runtime(((128, 1.0), (256, 2.0), (300, 2.0)), step_s=0.1)
    assert runtime.prefill_s(600) > 3.5


def test_timed_figures_of_smollm2_extrapolate_to_what_was_timed() -> None:
    short = Runtime(TIMED.prefill[:-1], TIMED.step_s, TIMED.step_context_s, TIMED.pair_s)
    assert short.prefill_s(1024) == pytest.approx(7.18, rel=0.05)


@pytest.mark.parametrize(
    "table",
    [(), ((0, 1.0),), ((2, 1.0), (1, 2.0)), ((1, 2.0), (2, 1.0)), ((1, 0.0),), ((1, math.nan),)],
)
def test_impossible_tables_are_refused(table: tuple[tuple[int, float], ...]) -> None:
    with pytest.raises(ValueError, match="prefill"):
        Runtime(table, 0.1)


@pytest.mark.parametrize("name", ["step_s", "step_context_s", "pair_s"])
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_impossible_figures_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Runtime(((1, 1.0),), **({"step_s": 0.1} | {name: value}))
