"""All lengths are read with time enough, and none that there is no time for."""

from __future__ import annotations

import pytest

from edge_rt.energy.calibration.timing import (
    FULL,
    QUICK,
    ROUNDS,
    Thoroughness,
    TimingRun,
    estimated_s,
    in_order,
    runs,
    shares_s,
)


@pytest.mark.parametrize("how", [QUICK, FULL])
def test_every_length_is_read_again_and_again(how: Thoroughness) -> None:
    assert [run.prompt_tokens for run in runs(how, 4096)] == list(how.lengths) * ROUNDS


@pytest.mark.parametrize("how", [QUICK, FULL])
@pytest.mark.parametrize("context", [64, 300, 2048])
def test_no_run_is_longer_than_the_context(how: Thoroughness, context: int) -> None:
    for run in runs(how, context):
        assert run.prompt_tokens + run.completion_tokens <= context
        assert run.completion_tokens > 1


def test_a_prompt_is_expected_to_take_time_in_proportion() -> None:
    last, run = TimingRun(64, 25), TimingRun(256, 25)
    assert estimated_s(run, last, prefill_s=0.5, decode_s=1.0) == pytest.approx(3.0)


def test_fewer_threads_get_more_time() -> None:
    assert shares_s([2, 1], 30.0) == pytest.approx(10.0)
    assert shares_s([1], 20.0) == 20.0


@pytest.mark.parametrize(("cores", "order"), [(1, [1]), (2, [2, 1]), (4, [4, 1, 2, 3])])
def test_all_cores_and_one_come_first(cores: int, order: list[int]) -> None:
    assert in_order(cores) == order
