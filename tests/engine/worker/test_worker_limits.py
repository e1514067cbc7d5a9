"""The decode loop within its limit on prompts."""

from __future__ import annotations

from collections.abc import Callable

from worker_stage import Stage

from edge_rt.engine.protocol import (
    Cancel,
    Ping,
    Pong,
    SetLimits,
)

PROMPT = [8 + i * 7 % 25 for i in range(90)]


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
