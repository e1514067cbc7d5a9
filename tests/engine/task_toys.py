"""A toy model for embeddings, in simulated time, and a front that hears of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.events import Embedded, Started
from edge_rt.engine.protocol import Embed, Failed, ModelSpec, StepOutput, WorkShare
from edge_rt.engine.scheduler.runner import EngineCounters
from edge_rt.engine.scheduler.tasks import EmbeddingScheduler

BEGIN, END = 1, 2  # control tokens around a text
WIDTH = 4


def toy_vector(tokens: Sequence[int]) -> NDArray[np.float32]:
    """Return what the toy model makes of an input: a pure function of it."""
    return np.array([len(tokens), sum(tokens), tokens[0], tokens[-1]], np.float32)


class Clock:
    """Simulated seconds; each look takes a little."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


class ToyEmbedding:
    """A letter is a token; a pass takes `token_s` for each of its longest input's, times all."""

    vocab, context, width = 256, 16, WIDTH
    marks = (1, 1)

    def __init__(self, clock: Clock, token_s: float = 0.001) -> None:
        self.rows, self.room = 6, 48
        self.passes: list[list[list[int]]] = []
        self.pass_s: list[float] = []
        self.failures: list[Exception] = []  # raised by the next passes
        self.threads = 0
        self.closed = False
        self.poison: Callable[[Sequence[int]], bool] = lambda tokens: False
        self._clock, self._token_s = clock, token_s

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        assert not special
        return [BEGIN, *text.encode(), END]

    def pair(self, query: str, text: str) -> tuple[list[int], int, int]:
        before = [BEGIN, *query.encode(), END]
        return [*before, *text.encode(), END], len(before), 1

    def embed(self, inputs: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        assert not self.closed
        assert 0 < len(inputs) <= self.rows
        assert all(0 < len(one) <= self.context for one in inputs)
        size = len(inputs) * max(map(len, inputs))
        assert size <= self.room
        self.passes.append([list(one) for one in inputs])
        self.pass_s.append(size * self._token_s)
        self._clock.now += self.pass_s[-1]
        if self.failures:
            raise self.failures.pop(0)
        vectors = np.stack([toy_vector(one) for one in inputs])
        vectors[[self.poison(one) for one in inputs]] = np.nan
        return vectors

    def set_threads(self, threads: int) -> None:
        self.threads = threads

    def close(self) -> None:
        self.closed = True


class Told:
    """What the front hears, held against what may be said."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tally = EngineCounters()
        self.events: list[Any] = []
        self.shares: list[WorkShare] = []
        self.started: dict[int, Started] = {}
        self.ended: dict[int, Embedded | Failed] = {}
        self._until_s = 0.0

    def hear(self, event: Any) -> None:
        self.events.append(event)
        if isinstance(event, StepOutput):
            work = event.work
            assert work is not None
            assert self._until_s <= work.begin_s <= work.end_s, "spans do not overlap"
            spent = sum(share.prefill_s + share.decode_s for share in work.shares)
            assert spent <= work.end_s - work.begin_s + 1e-9, "no time is shared out twice"
            self._until_s = work.end_s
            self.shares += work.shares
            return
        assert event.id not in self.ended, "nothing comes after the end"
        if isinstance(event, Started):
            assert event.id not in self.started
            self.started[event.id] = event
        else:
            self.ended[event.id] = event

    def spent_s(self, id: int) -> float:
        """The engine's time for a request."""
        return sum(share.prefill_s for share in self.shares if share.id == id)

    def vectors(self, id: int) -> NDArray[np.float32]:
        answer = self.ended[id]
        assert isinstance(answer, Embedded), answer
        return np.frombuffer(answer.vectors, "<f4").reshape(-1, answer.width)


class EmbedFront(Told):
    """A scheduler on a toy embedding model."""

    def __init__(self, *, normalise: bool = False, pause_s: float = 0.0) -> None:
        super().__init__()
        self.backend = ToyEmbedding(self.clock)
        spec = ModelSpec("toy", "", 16, 1, kind="embedding", normalise=normalise)
        self.scheduler = EmbeddingScheduler(
            self.backend, spec, self.hear, self.tally, self.clock, pause_s
        )

    def submit(self, id: int, *inputs: str | list[int], **more: Any) -> None:
        self.scheduler.submit(Embed(id, "toy", list(inputs), **more))

    def settle(self, **limits: Any) -> None:
        for _ in range(5000):
            if not self.scheduler.running + self.scheduler.waiting:
                return
            self.scheduler.step(**limits)
        raise AssertionError("it does not come to an end")
