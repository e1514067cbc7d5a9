"""A pass has the threads that those who take part ask for, and what it left unused is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from worker_stage import Stage

from edge_rt.core.decoding import Gating, Mode
from edge_rt.engine.protocol import Cancel, Ping, Pong, SetLimits


def threads_of(backend: Any) -> list[int]:
    """The threads of each pass from now on."""
    found: list[int] = []
    forward = backend.forward

    def noted() -> None:
        found.append(backend.threads)
        forward()

    backend.forward = noted
    return found


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ([None], 3),
        ([1], 1),
        ([3], 3),
        ([8], 3),
        ([1, 2], 2),
        ([2, 1, 1], 2),
        ([1, None], 3),
        ([None, 1], 3),
    ],
)
def test_the_most_that_anybody_asks_for_within_the_limit(
    front: Any, asked: list[int | None], used: int
) -> None:
    front.scheduler.set_threads(3)
    threads = threads_of(front.backend)
    for id, count in enumerate(asked):
        front.submit(id, [5 + id], threads=count)
    front.settle()
    assert set(threads) == {used}
    assert front.tally.spare_s == pytest.approx(front.tally.native_s * (3 - used))


def test_who_waits_for_a_sequence_or_reads_nothing_has_no_say(front: Any) -> None:
    front.scheduler.set_threads(3)
    threads = threads_of(front.backend)
    for id in range(3):  # as many as there are sequences
        front.submit(id, [5 + id], max_tokens=4, threads=1)
    front.submit(9, [9], max_tokens=2)
    front.settle()
    assert threads == [1, 1, 1, 1, 3, 3]


def test_who_comes_and_goes_changes_the_next_pass(
    stage: Callable[..., Stage], endless: Callable
) -> None:
    on = stage(0.01)
    threads = threads_of(on.models["toy"])
    on.run(
        (0.0, SetLimits(4)),
        (0.0, endless(1, threads=2)),
        (0.095, endless(2)),
        (0.195, Cancel(2)),
        (0.295, SetLimits(1)),
        (0.395, Ping(1)),
        (0.395, Cancel(1)),
        (0.4, Ping(2)),
    )
    assert threads == [2] * 10 + [4] * 10 + [2] * 10 + [1] * 10
    pong = on.all(Pong)[-1]
    assert (pong.threads, pong.native_s) == (1, pytest.approx(0.4))
    assert pong.spare_s == pytest.approx(20 * 0.01 * 2)  # two of four, and none of one


def test_both_models_of_an_answer_have_its_threads(
    new_duo: Callable, new_request: Callable
) -> None:
    duo = new_duo()
    duo.roster.limits = SetLimits(4)
    threads = [threads_of(backend) for backend in duo.backends.values()]
    mode = Mode("switch", "small", gating=Gating(share=0.5))
    duo.submit(new_request(1, [5, 6], max_tokens=20, mode=mode, threads=2))
    duo.settle()
    assert [set(each) for each in threads] == [{2}, {2}]


def test_nobody_changes_the_threads_of_a_model_without_a_limit(front: Any) -> None:
    front.backend.set_threads = None
    front.submit(1, [5], threads=1)
    front.settle()
    assert front.tally.spare_s == 0.0
