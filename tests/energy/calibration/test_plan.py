"""The most telling runs come first, and none that there is no time for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.energy.calibration.timing import (
    FULL,
    QUICK,
    ROUNDS,
    Schedule,
    Thoroughness,
    in_order,
    runs,
    shares_s,
)


def played(
    how: Thoroughness, seconds: float, *, token_s: float, step_s: float, context: int = 4096
) -> tuple[list[int], float, Schedule]:
    """The prompts of the runs that are made, how long all of them took, and the schedule."""
    schedule, spent_s, prompts = Schedule(runs(how, context)), 0.0, list[int]()
    while (run := schedule.next(seconds - spent_s)) is not None:
        prefill_s = token_s * run.prompt_tokens
        decode_s = step_s * (run.completion_tokens - 1)
        schedule.took(run, prefill_s, decode_s)
        spent_s += prefill_s + decode_s
        prompts.append(run.prompt_tokens)
    return prompts, spent_s, schedule


@pytest.mark.parametrize("how", [QUICK, FULL])
def test_with_time_enough_every_length_is_read_again_and_again(how: Thoroughness) -> None:
    prompts, _, schedule = played(how, 1e6, token_s=0.01, step_s=0.01)
    assert prompts == list(how.lengths) * ROUNDS
    assert schedule.left_s == 0.0


@pytest.mark.parametrize("how", [QUICK, FULL])
@pytest.mark.parametrize("context", [64, 300, 2048])
def test_no_run_is_longer_than_the_context(how: Thoroughness, context: int) -> None:
    for run in runs(how, context):
        assert run.prompt_tokens + run.completion_tokens <= context
        assert run.completion_tokens > 1


def test_one_answer_is_long() -> None:
    answers = [run.completion_tokens for run in runs(QUICK, 4096)]
    assert answers.count(QUICK.long_answer) == 1


@given(
    seconds=st.floats(1.0, 200.0),
    token_s=st.floats(1e-5, 0.2),
    step_s=st.floats(1e-4, 0.5),
)
def test_time_is_kept_and_there_is_always_enough_to_fit(
    seconds: float, token_s: float, step_s: float
) -> None:
    prompts, spent_s, schedule = played(QUICK, seconds, token_s=token_s, step_s=step_s)
    assert schedule.enough
    # Without two lengths there is nothing; beyond them estimates err on the long side.
    needed_s = token_s * sum(QUICK.lengths[:2]) + step_s * (QUICK.answer + QUICK.long_answer)
    assert spent_s <= max(seconds, needed_s) * 1.01
    assert len(set(prompts)) >= 2


def test_fewer_threads_get_more_time() -> None:
    assert shares_s([2, 1], 30.0) == pytest.approx(10.0)
    assert shares_s([1], 20.0) == 20.0


@pytest.mark.parametrize(("cores", "order"), [(1, [1]), (2, [2, 1]), (4, [4, 1, 2, 3])])
def test_all_cores_and_one_come_first(cores: int, order: list[int]) -> None:
    assert in_order(cores) == order
