"""The decode loop within its limits on prompts and sequences."""

from __future__ import annotations

from collections.abc import Callable

from worker_stage import Stage

from edge_rt.engine.protocol import (
    Cancel,
    Finished,
    Generate,
    Ping,
    Pong,
    SetLimits,
    Started,
)

PROMPT = [8 + i * 7 % 25 for i in range(90)]


# --- prompts


def test_no_pass_reads_more_of_prompts_than_allowed(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01)
    on.run(
        (0.0, endless(1, PROMPT)),  # two passes of it before
        (0.015, SetLimits(1, 1.0, prefill_chunk=4)),
        (0.2, SetLimits(1, 1.0)),
        (0.3, Cancel(1)),
        (0.4, endless(2, [9, *PROMPT])),
        (0.5, Ping(1)),
    )
    sizes = [sum(count for _, count in one) for one in on.models["toy"].passes]
    assert sizes[:6] == [16, 64, 4, 4, 2, 1]
    assert sizes[-10:].count(64) == 1  # and lifted again
    assert on.all(Pong)[0].prefill_chunk is None


# --- sequences


def test_running_answers_above_the_limit_go_on_and_the_queue_keeps_its_order(
    stage: Callable[..., Stage], new_request: Callable
) -> None:
    on = stage(0.01)
    asked = [new_request(id, [id + 4, 9], max_tokens=10 * id) for id in range(1, 7)]
    on.run(
        *((0.0, one) for one in asked),
        (0.045, SetLimits(1, sequences=1)),
        *((0.05 + 0.1 * i, Ping(i)) for i in range(20)),
        (3.0, Ping(99)),
    )
    assert [one.id for one in on.all(Started)] == [1, 2, 3, 4, 5, 6]
    assert [one.id for one in on.all(Finished)] == [1, 2, 3, 4, 5, 6]
    running = [pong.running for pong in on.all(Pong)]
    assert running[0] == 3
    assert running == sorted(running, reverse=True)
    assert max(running[6:]) == 1
    ended = [heard.time_s for heard in on.heard if isinstance(heard.message, Finished)]
    started = on.when(Started)
    assert started[3] > ended[2]  # the fourth started when all three were gone


def test_a_cached_prefix_outlives_a_narrow_limit(
    stage: Callable[..., Stage], new_request: Callable
) -> None:
    on = stage(0.01)
    on.run(
        (0.0, SetLimits(1, sequences=1)),
        (0.0, new_request(1, PROMPT, max_tokens=2)),
        (0.5, new_request(2, [9] * 20, max_tokens=2)),
        (1.0, new_request(3, [*PROMPT, 9, 9], max_tokens=2)),
        (2.0, Ping(1)),
    )
    assert [one.cached_tokens for one in on.all(Started)] == [0, 0, len(PROMPT)]
    assert on.all(Pong)[0].sequences == 1


def test_models_share_the_limit_and_one_queue(
    stage: Callable[..., Stage], new_request: Callable
) -> None:
    on = stage(0.01)
    on.add("second")
    plain = new_request(1, [5])
    others = [
        Generate(10 + i, "second", [6 + i], False, plain.sampling, 9, ignore_eos=True)
        for i in range(3)
    ]
    ours = [new_request(i, [6 + i], max_tokens=9) for i in range(3)]
    on.run(
        (0.0, SetLimits(1, sequences=1)),
        *((0.02 * i, one) for i, one in enumerate([*ours[:2], *others, ours[2]])),
        *((0.12 + 0.01 * i, Ping(i)) for i in range(100)),
    )
    assert max(pong.running for pong in on.all(Pong)) == 1
    assert [end.id for end in on.all(Finished)] == [0, 1, 10, 11, 12, 2]


def test_no_sequence_at_all_is_a_wait_that_a_higher_limit_ends(
    stage: Callable[..., Stage], new_request: Callable
) -> None:
    on = stage(0.01)
    on.run(
        (0.0, SetLimits(1, sequences=0)),
        (0.0, new_request(1, [5], max_tokens=1)),
        (4.5, Ping(1)),
        (5.0, SetLimits(1, sequences=1)),
        (6.0, Ping(2)),
    )
    assert on.passes == [(5.0, 5.01)]
    first, _ = on.all(Pong)
    assert (first.waiting, first.rest_s) == (1, 0.0)
    assert [work.end_s for work in on.spans() if not work.shares] == [1.0, 2.0, 3.0, 4.0]


def test_who_is_cancelled_in_the_queue_makes_room_for_nobody(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01)
    on.run(
        (0.0, SetLimits(1, sequences=1)),
        *((0.0, endless(id)) for id in (1, 2, 3)),
        (0.1, Cancel(2)),
        (0.2, Cancel(1)),
        (0.4, Ping(1)),
    )
    assert [one.id for one in on.all(Started)] == [1, 3]
