"""Embeddings beside streams: nobody waits for long, and the limits hold for all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from task_toys import ToyEmbedding
from worker_stage import Stage

from edge_rt.core.events import Embedded
from edge_rt.engine.protocol import (
    Cancel,
    Embed,
    Failed,
    Generate,
    ModelSpec,
    Ping,
    SetLimits,
    StepOutput,
)
from edge_rt.engine.scheduler.passes import SLICE_S

TOKEN_S = 0.001
TEXTS: list[str | list[int]] = ["abcdefgh"] * 200


class _Clock:
    """The stage's seconds, as a toy model takes them."""

    def __init__(self, on: Stage) -> None:
        self._on = on

    @property
    def now(self) -> float:
        return self._on.now

    @now.setter
    def now(self, value: float) -> None:
        self._on.passes.append((self._on.now, value))
        self._on.now = value


@pytest.fixture
def on(stage: Callable[..., Stage]) -> Stage:
    """A stage with a stream's model of 10 ms a pass, and "embed"."""
    on = stage(0.01)
    clock: Any = _Clock(on)
    embedding = ToyEmbedding(clock, TOKEN_S)
    embedding.rows = embedding.room = 10**6
    on.worker._models.add("embed", embedding, ModelSpec("toy", "", 16, 1, kind="embedding"))
    return on


def test_a_stream_goes_on_between_the_slices_of_a_batch(on: Stage, endless: Callable) -> None:
    on.run((0.0, endless(1)), (0.5, Embed(2, "embed", TEXTS)), (5.0, Ping(1)))
    [done] = on.when(Embedded)
    assert 2.0 <= done <= 4.0  # it takes two seconds of its own
    told = [time for time in on.when(StepOutput) if 0.5 <= time <= done]
    gaps = [b - a for a, b in pairwise(told)]
    assert max(gaps) <= SLICE_S + 0.02


def test_their_time_is_told_apart(on: Stage, endless: Callable) -> None:
    on.run((0.0, endless(1)), (0.5, Embed(2, "embed", TEXTS)), (5.0, Ping(1)))
    spent = {1: 0.0, 2: 0.0}
    for span in on.spans():
        assert (
            sum(s.prefill_s + s.decode_s for s in span.shares) <= span.end_s - span.begin_s + 1e-9
        )
        for share in span.shares:
            spent[share.id] += share.prefill_s + share.decode_s
    assert spent[2] == pytest.approx(len(TEXTS) * 10 * TOKEN_S, rel=0.01)
    assert sum(spent.values()) == pytest.approx(on.computed(0.0, 5.1), rel=0.01)


@pytest.mark.parametrize("duty", [0.2, 0.5, 0.9])
def test_a_duty_holds_for_embeddings(on: Stage, duty: float) -> None:
    on.run((0.0, SetLimits(1, duty, 8)), (0.0, Embed(1, "embed", TEXTS)), (12.0, Ping(1)))
    [done] = on.when(Embedded)
    assert done == pytest.approx(2.0 / duty, rel=0.05)


def test_a_batch_that_is_cancelled_ends_at_once(on: Stage) -> None:
    on.run((0.0, Embed(1, "embed", TEXTS)), (0.7, Cancel(1)), (5.0, Ping(1)))
    assert not on.all(Embedded)
    assert on.computed(0.0, 9.9) <= 0.7 + 0.5 + 0.1  # a pass under way is the last


def test_what_a_model_does_not_do_is_refused(on: Stage) -> None:
    on.run((0.0, Embed(1, "toy", ["a"])))
    [failed] = on.all(Failed)
    assert (failed.param, failed.code) == ("model", "wrong_kind")
    assert "toy" in failed.message


def test_a_language_model_alone_generates(on: Stage, new_request: Callable[..., Generate]) -> None:
    on.run((0.0, msgspec.structs.replace(new_request(1, [5]), model="embed")))
    assert on.all(Failed)[0].code == "wrong_kind"
