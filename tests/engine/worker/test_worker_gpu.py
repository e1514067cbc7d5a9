"""What the engine tells of models with layers on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from worker_stage import Stage

from edge_rt.engine.protocol import Ping, Pong, UnloadModel


def test_passes_of_models_with_layers_on_a_gpu_are_told_apart(
    stage: Callable[..., Stage], new_request: Callable
) -> None:
    on = stage(0.01)
    on.add("offloaded", gpu_share=0.5)
    on.run(
        (0.0, new_request(1, [5, 9], max_tokens=4)),
        (1.0, Ping(1)),
        (1.1, replace(new_request(2, [5, 9], max_tokens=4), model="offloaded")),
        (2.0, Ping(2)),
        (2.1, UnloadModel("offloaded")),
        (3.0, Ping(3)),
    )
    first, second, third = on.all(Pong)
    assert (first.gpu_s, first.offloads) == (0.0, True)
    assert second.gpu_s == pytest.approx(second.native_s - first.native_s)
    assert second.gpu_s > 0.0
    assert (third.gpu_s, third.offloads) == (second.gpu_s, False)


def test_a_pass_is_noted_from_its_beginning_to_its_end(
    stage: Callable[..., Stage], new_request: Callable
) -> None:
    on = stage(0.01)
    on.add("offloaded", gpu_share=0.25)
    begun: list[tuple[float, float]] = []
    beat = on.worker._tally.beat
    beat.pass_begins = lambda begin_s, share: begun.append((begin_s, share))
    over: list[tuple[float, float, float]] = []
    beat.pass_is_over = lambda *spent: over.append(spent)
    on.run(
        (0.0, new_request(1, [5], max_tokens=2)),
        (1.0, replace(new_request(2, [5], max_tokens=2), model="offloaded")),
        (2.0, Ping(1)),
    )
    assert begun == [(begin, 0.0) for begin, _ in on.passes[:2]] + [
        (begin, 0.25) for begin, _ in on.passes[2:]
    ]
    assert over == [
        pytest.approx((0.01 * (n + 1), 0.0025 * max(0, n - 1), 0.01 * max(0, n - 1)))
        for n in range(len(on.passes))
    ]
