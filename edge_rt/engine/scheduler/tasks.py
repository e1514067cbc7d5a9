"""Requests that end in one answer, and the scheduler of those on named tensors."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from edge_rt.backends.base import TensorBackend
from edge_rt.core.errors import EngineError, RequestError
from edge_rt.core.events import Embedded, Inferred, Started, Timings
from edge_rt.engine.protocol import Embed, RunTensors
from edge_rt.engine.scheduler.inputs import PAUSE_S, Outbox, to_array, to_tensor
from edge_rt.engine.scheduler.passes import Slice
from edge_rt.engine.scheduler.runner import BackendT, EngineCounters, Event, Runner

TaskT = TypeVar("TaskT", Embed, RunTensors)
J = TypeVar("J", bound="PendingTask[Any]")

MOST_BYTES = 48 * 1024 * 1024  # of outputs, which go in one frame


class PendingTask(Generic[TaskT]):
    """One request on its way; times are readings of the clock."""

    def __init__(self, request: TaskT, now: float) -> None:
        self.request: TaskT = request
        self.id: int = request.id
        self.arrived = self.started = now

    def timings(self, now: float, tokens: int) -> Timings:
        """Return where its time went, now that it is done."""
        return Timings(self.started - self.arrived, now - self.started, 0.0, tokens, 0, 0)


class Tasks(Runner[BackendT, J]):
    """The queue of one model, and its state for clients."""

    def __init__(
        self,
        backend: BackendT,
        emit: Callable[[Event], None],
        tally: EngineCounters,
        clock: Callable[[], float],
        pause_s: float = PAUSE_S,
    ) -> None:
        """Runner takes these, and Outbox `pause_s`."""
        super().__init__(backend, Slice(), emit, Outbox(emit, pause_s), tally, clock)

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

    def _admit(self, now: float, most: float = math.inf) -> None:
        while self._waiting and self.running < most:
            job = self._waiting.popleft()
            job.started = now
            self._running.append(job)

    def _passed(
        self, begin: float, native_s: float, rows: list[tuple[int, int, bool]], gpu_share: float
    ) -> None:
        """Book a pass that has just ended, with so much of the model's layers on a GPU.

        Its tokens do not count as those of prompts, by whose speed the governor bounds passes.
        """
        self._tally.took(native_s, gpu_share)
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
        self._tell_failed(job.id, error)

    def _forget(self, request_id: int) -> None:
        self._waiting = deque(job for job in self._waiting if job.id != request_id)
        self._running = [job for job in self._running if job.id != request_id]


InferJob = PendingTask[RunTensors]


class TensorScheduler(Tasks[TensorBackend, InferJob]):
    """One request after the other; see Runner."""

    serves = RunTensors

    def submit(self, request: RunTensors) -> None:
        self._waiting.append(InferJob(request, self._clock()))

    def step(self, *, brief: bool = False) -> None:
        begin = self._clock()
        self._admit(begin, most=1)
        if not self._running:
            return
        job = self._running[0]
        self._begins((job.id,), 0, begin)
        try:
            answer = self._answer(job)
        except (RequestError, EngineError) as error:
            self._book(job, begin)
            self._fail(job, error)
            return
        self._book(job, begin)
        self._done(job, answer)

    def _answer(self, job: InferJob) -> Inferred:
        given = job.request.tensors
        inputs = self._backend.check({name: to_array(given[name]) for name in given})
        self._emit(Started(job.id, 0, 0))
        outputs = self._backend.run(inputs)
        size = sum(array.nbytes for array in outputs.values())
        if size > MOST_BYTES:
            message = f"The outputs have {size} bytes, more than the {MOST_BYTES} that can be sent."
            raise RequestError(message, param="inputs", code="response_too_large")
        tensors = {name: to_tensor(array) for name, array in outputs.items()}
        return Inferred(job.id, tensors, job.timings(self._clock(), 0))

    def _book(self, job: InferJob, begin: float) -> None:
        rows = [(job.id, 1, False)]
        self._passed(begin, self._clock() - begin, rows, self.gpu_share)
