"""What running embeddings and running tensors have in common: requests that end in one answer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from edge_rt.engine.outbox import PAUSE_S, Outbox
from edge_rt.engine.pacing import Slice
from edge_rt.engine.protocol import (
    Embed,
    Embedded,
    Failed,
    Infer,
    Inferred,
    Started,
    Step,
    Timings,
)
from edge_rt.engine.tally import Tally
from edge_rt.errors import EngineError, RequestError

Event = Started | Step | Embedded | Inferred | Failed


class Job:
    """One request on its way; times are readings of the clock."""

    def __init__(self, request: Embed | Infer, now: float) -> None:
        self.id, self.arrived, self.started = request.id, now, now

    def timings(self, now: float, tokens: int) -> Timings:
        """Where its time went, now that it is done."""
        return Timings(self.started - self.arrived, now - self.started, 0.0, tokens, 0, 0)


class _Backend(Protocol):
    def set_threads(self, threads: int) -> None: ...

    def close(self) -> None: ...


J = TypeVar("J", bound=Job)


class Tasks(ABC, Generic[J]):
    """The queue of one model, and what is told of it; see Runner for the methods' contract."""

    def __init__(
        self,
        backend: _Backend,
        emit: Callable[[Event], None],
        tally: Tally,
        clock: Callable[[], float],
        pause_s: float = PAUSE_S,
    ) -> None:
        """`emit` receives every message for the front, `tally` counts what is done. `clock` is in
        seconds; see Outbox for `pause_s`.
        """
        self.portion = Slice()
        self._native = backend
        self._emit = emit
        self._tally = tally
        self._clock = clock
        self._outbox = Outbox(emit, pause_s)
        self._threads: int | None = None
        self._waiting: deque[J] = deque()
        self._running: deque[J] = deque()

    @property
    def running(self) -> int:
        """See Runner."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """See Runner."""
        return len(self._waiting)

    @property
    def waits_since(self) -> float:
        """See Runner."""
        return self._waiting[0].arrived if self._waiting else math.inf

    @property
    def streaming(self) -> bool:
        """See Runner: nobody sees anything before the end."""
        return False

    def cancel(self, request_id: int) -> None:
        """See Runner."""
        self._outbox.forget(request_id, self._clock())
        self._forget(request_id)

    def count(self, prompt: str, *, special: bool) -> tuple[int, int]:
        """See Runner."""
        raise RequestError("this model continues no prompts", param="model")

    @abstractmethod
    def step(self, *, brief: bool = False, most: float = math.inf) -> None:
        """See Runner."""

    def flush(self) -> None:
        """See Runner."""
        self._outbox.flush(self._clock())

    def set_threads(self, threads: int) -> None:
        """See Runner."""
        if threads != self._threads:
            self._native.set_threads(threads)
            self._threads = threads

    def close(self, why: str) -> None:
        """See Runner."""
        for job in [*self._running, *self._waiting]:
            self._fail(job, EngineError(why))
        self._native.close()

    def _admit(self, now: float, most: float) -> None:
        while self._waiting and self.running < most:
            job = self._waiting.popleft()
            job.started = now
            self._running.append(job)

    def _passed(self, begin: float, native_s: float, rows: list[tuple[int, int, bool]]) -> None:
        """Book a pass that has just ended.

        Its tokens are not counted with those of prompts: by their speed the governor judges how
        many a language model may read at once.
        """
        self._tally.native_s += native_s
        self._tally.read_s += native_s
        self._outbox.work.add(begin, self._clock(), rows)

    def _done(self, job: J, answer: Embedded | Inferred) -> None:
        """Tell the work and then the answer, which ends the request."""
        self.flush()
        self._forget(job.id)
        self._emit(answer)

    def _fail(self, job: J, error: RequestError | EngineError) -> None:
        self.flush()
        self._forget(job.id)
        at_fault = isinstance(error, RequestError)
        param, code = (error.param, error.code) if at_fault else (None, None)
        self._emit(Failed(job.id, str(error), param, code))

    def _forget(self, request_id: int) -> None:
        self._waiting = deque(job for job in self._waiting if job.id != request_id)
        self._running = deque(job for job in self._running if job.id != request_id)
