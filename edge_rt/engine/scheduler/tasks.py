"""Requests for vectors or scores of texts, many texts in each pass."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import EmbeddingBackend
from edge_rt.core.errors import EngineBroken, EngineError, RequestError, invalid
from edge_rt.core.events import Embedded, Started, Timings
from edge_rt.engine.protocol import Embed, ModelSpec
from edge_rt.engine.scheduler.inputs import PAUSE_S, Outbox, fitting_pair, fitting_tokens
from edge_rt.engine.scheduler.passes import Slice
from edge_rt.engine.scheduler.runner import EngineCounters, Event, Runner

READ_S = 0.02  # of cutting texts into tokens at a stretch
ALIKE = 0.5  # of the longest input's tokens must others of its pass have: the rest is padding


class EmbedJob:
    """One request: `tokens` of the inputs read so far, `left` those without a vector yet.

    Times are readings of the clock.
    """

    def __init__(self, request: Embed, now: float, width: int) -> None:
        self.request, self.id = request, request.id
        self.arrived = self.started = now
        self.tokens: list[list[int]] = []
        self.left: list[int] = []  # the shortest first
        self.vectors = np.zeros((len(request.inputs), width), np.float32)

    @property
    def read(self) -> bool:
        """Whether all inputs are tokens."""
        return len(self.tokens) == len(self.request.inputs)

    def read_next(self, backend: EmbeddingBackend) -> None:
        """Turn the next input into tokens; raises RequestError."""
        request, at = self.request, len(self.tokens)
        given, query, truncate = request.inputs[at], request.query, request.truncate
        if query is None:
            param = "input" if len(request.inputs) == 1 else f"input[{at}]"
            self.tokens.append(fitting_tokens(given, backend, truncate, param))
        else:
            self.tokens.append(fitting_pair(query, str(given), backend, truncate, f"input[{at}]"))
        if self.read:
            self.left = sorted(range(at + 1), key=lambda index: len(self.tokens[index]))


Row = tuple[EmbedJob, int]
"""An input of a request."""


class EmbeddingScheduler(Runner[EmbeddingBackend, EmbedJob]):
    """Requests take turns at leading a pass: its longest input, then others of about that length.

    A request begins when all its inputs are tokens: one that cannot be done costs no pass.
    """

    serves = Embed

    def __init__(
        self,
        backend: EmbeddingBackend,
        spec: ModelSpec,
        emit: Callable[[Event], None],
        tally: EngineCounters,
        clock: Callable[[], float],
        pause_s: float = PAUSE_S,
    ) -> None:
        """Runner takes these, and Outbox `pause_s`."""
        super().__init__(backend, Slice(), emit, Outbox(emit, pause_s), tally, clock)
        self._normalise = spec.normalise

    @property
    def streaming(self) -> bool:
        """False: a client sees nothing before the end."""
        return False

    def cancel(self, request_id: int) -> None:
        self._outbox.forget(request_id, self._clock())
        self._forget(request_id)

    def tokenize(self, prompt: str, *, special: bool) -> tuple[list[int], int]:
        raise RequestError("this model continues no prompts", param="model")

    def close(self, why: str) -> None:
        for job in [*self._running, *self._waiting]:
            self._fail(job, EngineError(why))
        self._backend.close()

    def submit(self, request: Embed) -> None:
        most = self._backend.width
        width = most if request.dimensions is None else request.dimensions
        job = EmbedJob(request, self._clock(), max(1, min(width, most)))
        if 1 <= width <= most:
            self._waiting.append(job)
            return
        self._fail(job, invalid("dimensions", f"expected 1 to {most}, got {width}"))

    def step(self, *, brief: bool = False) -> None:
        begin = self._clock()
        for job in self._waiting:
            job.started = begin
        self._running += self._waiting
        self._waiting.clear()
        self._read(begin)
        rows = self._rows(self.budget.tokens(brief=brief))
        if rows:
            self._run(rows)
            self._outbox.put([], self._clock(), urgent=False)

    # --- from texts to tokens

    def _read(self, begin: float) -> None:
        """Go on reading inputs, those of the first requests first, for about READ_S."""
        until = begin + READ_S
        for job in [job for job in self._running if not job.read]:
            start, fault = self._clock(), None
            self._tally.beat.note((job.id,))
            try:
                job.read_next(self._backend)
                while not job.read and self._clock() < until:
                    job.read_next(self._backend)
            except RequestError as error:
                fault = error
            self._book(start, [(job, 1)], 0.0)  # texts become tokens on the CPU
            if fault is not None:
                self._fail(job, fault)
            elif job.read:
                self._emit(Started(job.id, sum(map(len, job.tokens)), 0))
            if self._clock() >= until:
                return

    # --- one pass

    def _rows(self, tokens: int) -> list[Row]:
        """Return the inputs of the next pass, of so many tokens.

        At least one where any are left.
        """
        ready = [job for job in self._running if job.read]
        if not ready:
            return []
        leader = ready[0]
        longest = len(leader.tokens[leader.left[-1]])
        room = min(self._backend.room, max(tokens, longest)) // longest
        alike = [
            (job, index)
            for job in ready
            for index in reversed(job.left)
            if ALIKE * longest <= len(job.tokens[index]) <= longest
        ]
        self._running.remove(leader)  # to the end of the line
        self._running.append(leader)
        return alike[: min(room, self._backend.rows)]

    def _run(self, rows: list[Row]) -> None:
        begin = self._clock()
        jobs = list(dict.fromkeys(job for job, _ in rows))
        tokens = max(len(job.tokens[index]) for job, index in rows) * len(rows)
        self._begins([job.id for job in jobs], tokens, begin)
        fault: EngineError | None = None
        try:
            self._embed(rows)
        except EngineError as error:
            fault = error
        spent = [(job, len(job.tokens[index])) for job, index in rows]
        self._book(begin, spent, self.gpu_share)
        for job in jobs:
            if fault is not None:
                self._fail(job, fault)
            elif not job.left:
                self._answer(job)

    def _embed(self, rows: list[Row]) -> None:
        begin = self._clock()
        inputs = [job.tokens[index] for job, index in rows]
        vectors = self._backend.embed(inputs)
        self.budget.took(max(map(len, inputs)) * len(inputs), self._clock() - begin)
        for (job, index), vector in zip(rows, vectors, strict=True):
            job.vectors[index] = self._finished(vector, job)
            job.left.remove(index)

    def _book(self, begin: float, spent: list[tuple[EmbedJob, int]], gpu_share: float) -> None:
        """Share the time since `begin` among requests by their tokens.

        These do not count as tokens of prompts, by whose speed the governor bounds passes.
        """
        now = self._clock()
        self._tally.took(now - begin, gpu_share)
        self._tally.read_s += now - begin
        self._outbox.work.add(begin, now, [(job.id, tokens, False) for job, tokens in spent])

    def _finished(self, vector: NDArray[np.float32], job: EmbedJob) -> NDArray[np.float32]:
        """Truncate the vector and, if configured, normalise it to length 1."""
        kept = vector[: job.vectors.shape[1]]
        length = float(np.linalg.norm(kept))
        if not math.isfinite(length):
            raise EngineBroken("the model's numbers are not finite: its file may be damaged")
        if not self._normalise or length == 0.0:
            return kept
        return np.divide(kept, length, dtype=np.float32)

    def _answer(self, job: EmbedJob) -> None:
        tokens = [len(one) for one in job.tokens]
        data = job.vectors.astype("<f4", copy=False).tobytes()
        run_s = self._clock() - job.started
        timings = Timings(job.started - job.arrived, run_s, 0.0, sum(tokens), 0, 0)
        self.flush()  # the work is told before the answer, which ends the request
        self._forget(job.id)
        self._emit(Embedded(job.id, job.vectors.shape[1], data, tokens, timings))

    def _fail(self, job: EmbedJob, error: RequestError | EngineError) -> None:
        self.flush()
        self._forget(job.id)
        self._tell_failed(job.id, error)

    def _forget(self, request_id: int) -> None:
        self._waiting = deque(job for job in self._waiting if job.id != request_id)
        self._running = [job for job in self._running if job.id != request_id]
