"""The decode loop computes for the share of the time that it may, and rests hold up nobody."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from worker_stage import Stage

from edge_rt.core.events import Started
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.protocol import Cancel, Generate, Ping, Pong, SetLimits, StepOutput
from edge_rt.engine.worker.model_registry import ORPHANED_S

PROMPT = [8 + i * 7 % 25 for i in range(90)]


# --- the share of the time


@pytest.mark.parametrize("duty", [0.02, 0.1, 0.3, 0.5, 0.75, 0.9, 0.97, 1.0])
@pytest.mark.parametrize("pass_s", [0.002, 0.013, 0.1, 1.0])
@pytest.mark.parametrize("late_s", [0.0, 0.004])
def test_the_asked_share_of_the_time_is_computed(
    stage: Callable[..., Stage], endless: Callable, duty: float, pass_s: float, late_s: float
) -> None:
    on = stage(pass_s, late_s=late_s)
    span_s = max(1.0, 10 * pass_s / duty)  # a second, if that holds ten rests
    on.run((0.0, SetLimits(1, duty)), (0.0, endless(1)), (3 * span_s, Ping(1)))
    starts = [begin for begin, _ in on.passes]
    for begin in starts[:: max(1, len(starts) // 20)]:  # whole passes and rests, by the second
        end = next((start for start in starts if start >= begin + span_s), None)
        if end is not None:
            assert on.computed(begin, end) / (end - begin) == pytest.approx(duty, abs=0.01)
    whole_s = starts[-1]
    assert whole_s > 2 * span_s
    assert on.computed(0.0, whole_s) / whole_s == pytest.approx(duty, abs=0.01)


def test_prompts_have_a_duty_of_their_own(stage: Callable[..., Stage], endless: Callable) -> None:
    on = stage(0.01)
    on.run(
        (0.0, SetLimits(1, 1.0, 4, 0.25)),
        (0.0, endless(1, PROMPT)),  # 23 passes of 0.01 s, and three times as long for rests
        (2.0, Ping(1)),
    )
    assert on.computed(0.0, 0.8) / 0.8 == pytest.approx(0.25, abs=0.02)
    assert on.computed(1.0, 2.0) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("duty", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("late_s", [0.0, 0.009])
def test_no_second_has_more_than_its_share(
    stage: Callable[..., Stage], endless: Callable, duty: float, late_s: float
) -> None:
    on = stage(0.01, late_s=late_s)
    on.run((0.0, SetLimits(1, duty)), (0.0, endless(1)), (8.0, Ping(1)))
    shares = [on.computed(begin, begin + 1) for begin, _ in on.passes if begin < 7]
    assert max(shares) <= duty + 0.02


def test_a_duty_holds_over_all_models_together(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01)
    on.add("second")
    other = Generate(2, "second", [6], False, endless(1).sampling, None, ignore_eos=True)
    on.run((0.0, SetLimits(1, 0.4)), (0.0, endless(1)), (0.0, other), (5.0, Ping(1)))
    assert on.computed(1.0, 5.0) == pytest.approx(0.4 * 4, rel=0.02)
    assert {delta.id for step in on.all(StepOutput) for delta in step.deltas} == {1, 2}


def test_seconds_are_either_computed_or_rested(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01, 0.001)
    on.run((0.0, SetLimits(1, 0.3)), (0.0, endless(1, PROMPT)), (5.0, Ping(1)), (9.0, Ping(2)))
    first, second = on.all(Pong)
    for pong, time_s in zip((first, second), on.when(Pong), strict=True):
        assert pong.step_s + pong.rest_s == pytest.approx(time_s)
        assert pong.native_s == pytest.approx(pong.step_s)
        assert pong.read == len(PROMPT)
        assert pong.drawn == pong.steps - 2  # of three passes over the prompt, the last one draws
    assert first.read_s == second.read_s == pytest.approx(3 * 0.01 + len(PROMPT) * 0.001)


def test_time_without_requests_is_no_rest(stage: Callable[..., Stage], endless: Callable) -> None:
    on = stage(0.01)
    on.run((0.0, SetLimits(1, 0.5)), (1.0, endless(1, max_tokens=1)), (5.0, Ping(1)))
    [pong] = on.all(Pong)
    assert (pong.steps, pong.rest_s) == (1, 0.0)


# --- what a rest does not hold up


def test_a_rest_holds_up_nobody(stage: Callable[..., Stage], endless: Callable) -> None:
    on = stage(1.0)
    on.run(
        (0.0, SetLimits(1, 0.02)),
        (0.0, endless(1)),
        (5.0, Ping(1)),
        (6.0, Cancel(1)),
        (6.0, Ping(2)),
        (7.0, SetLimits(2, 0.03)),
        (7.0, Ping(3)),
    )
    assert on.passes == [(0.0, 1.0)]
    assert on.when(Pong) == [5.0, 6.0, 7.0]
    pongs = on.all(Pong)
    assert [pong.running for pong in pongs] == [1, 0, 0]
    assert [(pong.threads, pong.duty) for pong in pongs] == [(1, 0.02), (1, 0.02), (2, 0.03)]
    assert on.models["toy"].threads == 2
    assert on.now == 7.0  # and down it went


def test_a_request_during_a_rest_starts_after_it(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(1.0)
    on.run((0.0, SetLimits(1, 0.1)), (0.0, endless(1)), (4.0, endless(2)), (11.5, Ping(1)))
    assert on.passes == [(0.0, 1.0), (10.0, 11.0)]
    assert on.when(Started) == [1.0, 11.0]


def test_a_rest_is_cut_short_when_the_duty_rises(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(1.0)
    on.run(
        (0.0, SetLimits(1, 0.02)),
        (0.0, endless(1)),
        (3.0, SetLimits(1, 0.2)),  # 4 s of rest are due, of which 2 are over
        (7.0, SetLimits(1, 1.0)),
        (8.5, Ping(1)),
    )
    assert [begin for begin, _ in on.passes] == [0.0, 5.0, 7.0, 8.0]


def test_who_comes_to_an_engine_that_has_rested_starts_at_once(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.5)
    on.run(
        (0.0, SetLimits(1, 0.25)),
        (0.0, endless(1, max_tokens=1)),
        (1.0, endless(2, max_tokens=1)),  # 1.5 s of rest are due, of which 0.5 are over
        (6.0, endless(3, max_tokens=1)),
        (9.0, Ping(1)),
    )
    assert [begin for begin, _ in on.passes] == pytest.approx([0.0, 2.0, 6.0])


def test_who_leaves_during_a_rest_does_not_end_it(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.5)
    on.run(
        (0.0, SetLimits(1, 0.25)),
        (0.0, endless(1)),
        (0.6, Cancel(1)),
        (0.7, endless(2)),
        (2.4, Ping(1)),
    )
    assert [begin for begin, _ in on.passes] == pytest.approx([0.0, 2.0], abs=0.002)


@pytest.mark.parametrize("duty", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("chunk", [None, 4])
def test_a_prompts_first_token_waits_for_no_rest_but_those_of_its_passes(
    stage: Callable[..., Stage], endless: Callable, duty: float, chunk: int | None
) -> None:
    on = stage(0.01, 0.001)
    on.run((0.0, SetLimits(1, duty, chunk)), (0.0, endless(1, PROMPT)), (30.0, Ping(1)))
    first = next(
        h.time_s for h in on.heard if isinstance(h.message, StepOutput) and h.message.deltas
    )
    *before, last = [end - begin for begin, end in on.passes if end <= first + 1e-9]
    assert on.read_by(first) == len(PROMPT)
    assert first == pytest.approx(sum(before) / duty + last, abs=0.011)


def test_a_lower_duty_counts_from_the_next_pass_on(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(1.0)
    on.run(
        (0.0, SetLimits(1, 0.5)),
        (0.0, endless(1)),
        (1.5, SetLimits(1, 0.1)),
        (13.0, Ping(1)),
    )
    assert [begin for begin, _ in on.passes] == pytest.approx([0.0, 2.0, 12.0])


def test_limits_that_come_in_a_rest_hold_for_the_next_pass(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(1.0)
    on.run(
        (0.0, SetLimits(2, 0.25)),
        (0.0, endless(1, PROMPT)),
        (2.0, SetLimits(1, 0.25, prefill_chunk=5)),
        (4.5, Ping(1)),
    )
    assert [sum(n for _, n in one) for one in on.models["toy"].passes] == [16, 5]
    assert on.models["toy"].threads == 1


def test_at_full_duty_it_neither_waits_nor_parks_its_threads(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01)
    on.run((0.0, SetLimits(1, 1.0)), (0.0, endless(1, PROMPT)), (2.0, Ping(1)))
    assert on.computed(0.0, 2.0) == pytest.approx(2.0)
    assert [park for park in on.parked if 0.0 < park < 2.0] == []
    assert on.all(Pong)[0].rest_s == 0.0


def test_native_threads_sleep_while_the_engine_rests(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.1)
    on.run((0.0, SetLimits(1, 0.5)), (0.0, endless(1)), (0.35, Ping(1)))
    assert on.parked[:2] == pytest.approx([0.1, 0.3])


# --- duty 0


def test_duty_zero_computes_nothing_and_loses_nothing(
    stage: Callable[..., Stage], new_request: Callable, reference: Callable
) -> None:
    on = stage(0.01)
    asked = [new_request(id, [id + 4, 9], max_tokens=40) for id in range(1, 5)]
    on.run(
        *((0.0, one) for one in asked),
        (0.105, SetLimits(1, 0.0)),
        (0.2, Ping(1)),
        (7.5, Ping(2)),
        (60.0, SetLimits(1, 0.5)),
        (90.0, Ping(3)),
    )
    assert on.computed(0.11, 60.0) == 0.0
    first, second, last = on.all(Pong)
    assert (first.running, first.waiting) == (second.running, second.waiting) == (3, 1)
    assert first.steps == second.steps
    assert (last.running, last.waiting) == (0, 0)
    for one in asked:
        deltas = [d for s in on.all(StepOutput) for d in s.deltas if d.id == one.id]
        assert "".join(d.text for d in deltas) == reference(one, 0)[0]


def test_those_who_wait_hear_every_second_that_nothing_is_computed(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01)
    on.run((0.0, endless(1)), (0.5, SetLimits(1, 0.0)), (5.7, Ping(1)))
    still = [work for work in on.spans() if not work.shares]
    assert [work.end_s for work in still] == pytest.approx([1.5, 2.5, 3.5, 4.5, 5.5], abs=0.02)
    assert all(work.begin_s == work.end_s for work in still)


def test_nobody_waiting_is_told_nothing(stage: Callable[..., Stage]) -> None:
    on = stage(0.01)
    on.run((0.0, SetLimits(1, 0.0)), (50.0, Ping(1)))
    assert on.spans() == []


# --- what is told, and when


def test_tokens_are_heard_before_a_rest(stage: Callable[..., Stage], endless: Callable) -> None:
    on = stage(0.004)
    on.run((0.0, SetLimits(1, 0.25)), (0.0, endless(1)), (1.0, Ping(1)))
    steps = [heard for heard in on.heard if isinstance(heard.message, StepOutput)]
    ends = [end for _, end in on.passes]
    assert [heard.time_s for heard in steps[:50]] == pytest.approx(ends[:50])


@pytest.mark.parametrize("duty", [0.05, 0.5, 0.8, 0.95])
def test_no_span_of_work_has_a_rest_in_it(
    stage: Callable[..., Stage], endless: Callable, duty: float
) -> None:
    on = stage(0.003, late_s=0.002)
    on.run((0.0, SetLimits(1, duty)), (0.0, endless(1)), (2.0, Ping(1)))
    told = [work for work in on.spans() if work.shares]
    for work in told:
        assert on.computed(work.begin_s, work.end_s) == pytest.approx(work.end_s - work.begin_s)
    assert sum(work.end_s - work.begin_s for work in told) >= on.computed(0.0, 1.9)


# --- what an earlier engine left


def test_an_engine_with_nothing_to_do_lets_go_of_what_nobody_came_for(
    stage: Callable[..., Stage],
) -> None:
    """After a minute, of which nobody reminds it."""
    with os.fdopen(Checkpoints.shared(1 << 20), "r+b", buffering=0) as memory:
        Checkpoints(memory.fileno()).put(None, b"k" * 32, [1, 2], b"state")
        stage(0.01, checkpoints=Checkpoints(memory.fileno())).run((ORPHANED_S - 1.0, Ping(1)))
        assert os.fstat(memory.fileno()).st_blocks > 0
        on = stage(0.01, checkpoints=Checkpoints(memory.fileno()))
        on.run((1000.0, Ping(1)))
        assert [time for time in on.parked if 1.0 < time < 999.0] == [
            pytest.approx(ORPHANED_S, abs=0.1)
        ]
        assert os.fstat(memory.fileno()).st_blocks == 0
