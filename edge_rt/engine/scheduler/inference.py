"""Running named tensors through one model, one request a pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from edge_rt.backends.base import TensorBackend
from edge_rt.engine.protocol import Infer, Inferred, Started
from edge_rt.engine.scheduler.runner import Event
from edge_rt.engine.scheduler.tally import Tally
from edge_rt.engine.scheduler.tasks import Job, Tasks
from edge_rt.engine.scheduler.tensors import to_array, to_tensor
from edge_rt.engine.worker.outbox import PAUSE_S
from edge_rt.errors import EngineError, RequestError

MOST_BYTES = 48 * 1024 * 1024  # of outputs, which go in one frame

Over = Callable[[Infer, Callable[[], None]], AbstractContextManager[None]]
"""Makes what is entered while a request's pass runs, of what stops that; see Watch."""


class InferJob(Job):
    """One request."""

    def __init__(self, request: Infer, now: float) -> None:
        super().__init__(request, now)
        self.request = request


class TensorScheduler(Tasks[TensorBackend, InferJob]):
    """One request after the other; see Runner."""

    serves = Infer

    def __init__(
        self,
        backend: TensorBackend,
        emit: Callable[[Event], None],
        tally: Tally,
        clock: Callable[[], float],
        pause_s: float = PAUSE_S,
        over: Over = lambda request, stop: nullcontext(),
    ) -> None:
        """See Runner; `over` watches passes."""
        super().__init__(backend, emit, tally, clock, pause_s)
        self._over = over

    def submit(self, request: Infer) -> None:
        """See Runner."""
        self._waiting.append(InferJob(request, self._clock()))

    def step(self, *, brief: bool = False) -> None:
        """See Runner."""
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
        inputs = self._backend.check({name: to_array(given[name], name) for name in given})
        self._emit(Started(job.id, 0, 0))
        outputs = self._backend.run(inputs, lambda stop: self._over(job.request, stop))
        size = sum(array.nbytes for array in outputs.values())
        if size > MOST_BYTES:
            message = f"The outputs have {size} bytes, more than the {MOST_BYTES} that can be sent."
            raise RequestError(message, param="inputs", code="response_too_large")
        tensors = {name: to_tensor(array) for name, array in outputs.items()}
        return Inferred(job.id, tensors, job.timings(self._clock(), 0))

    def _book(self, job: InferJob, begin: float) -> None:
        rows = [(job.id, 1, False)]
        self._passed(begin, self._clock() - begin, rows, self.gpu_share)
