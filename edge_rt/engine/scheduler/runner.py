"""What the decode loop asks of a loaded model, and what it counts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from edge_rt.backends.base import BaseBackend
from edge_rt.core.errors import EdgeError, EngineBroken, RequestError, Unavailable
from edge_rt.core.events import Embedded, Finished, Started
from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.protocol import BROKEN, Embed, Failed, Generate, StepOutput
from edge_rt.engine.scheduler.inputs import Outbox
from edge_rt.engine.scheduler.passes import PassBudget


@dataclass
class EngineCounters:
    """Counters of all models since the engine's start; Pong tells them, `beat` what is done now."""

    steps: int = 0  # iterations of the decode loop
    step_s: float = 0.0  # seconds in them
    native_s: float = 0.0  # of these, seconds inside the backends' forward passes
    read_s: float = 0.0  # of these, the part of prompts, by rows of the batch
    rest_s: float = 0.0  # seconds between iterations that the duty imposed
    spare_s: float = 0.0  # of native_s, times the threads that requests had no use for
    gpu_s: float = 0.0  # part of native_s in passes of models with layers on a GPU
    gpu_busy_s: float = 0.0  # part of gpu_s by the share of each model's layers there
    drawn: int = 0  # tokens of answers
    read: int = 0  # tokens of prompts that were fed to a model
    beat: Heartbeat = field(default_factory=Heartbeat)

    def passed(
        self,
        seconds: float,
        rows: Sequence[tuple[int, int, bool]],
        spare: int = 0,
        gpu_share: float = 0.0,
    ) -> None:
        """Count one pass; a row is a request, its number of tokens, and whether it is decoding.

        It used `spare` threads fewer than allowed, and a GPU for `gpu_share` of the layers.
        """
        self.took(seconds, gpu_share)
        self.spare_s += seconds * spare
        read = sum([count for _, count, decoding in rows if not decoding])
        if read:
            self.read_s += seconds * read / sum([count for _, count, _ in rows])
            self.read += read

    def took(self, seconds: float, gpu_share: float = 0.0) -> None:
        """Count the seconds of one pass, with so much of the model's layers on a GPU."""
        self.native_s += seconds
        self.gpu_s += seconds if gpu_share else 0.0
        self.gpu_busy_s += seconds * gpu_share
        self.beat.pass_is_over(self.native_s, self.gpu_busy_s, self.gpu_s)


Event = Started | StepOutput | Finished | Embedded | Failed


class Item(Protocol):
    """What is queued: a request, or one answer to it."""

    arrived: float  # a reading of the clock


BackendT = TypeVar("BackendT", bound=BaseBackend)
ItemT = TypeVar("ItemT", bound=Item)


class Runner(ABC, Generic[BackendT, ItemT]):
    """The requests on one model, and the passes that serve them."""

    serves: ClassVar[type[Generate] | type[Embed]]  # the only requests it takes

    def __init__(
        self,
        backend: BackendT,
        budget: PassBudget,
        emit: Callable[[Event], None],
        outbox: Outbox,
        tally: EngineCounters,
        clock: Callable[[], float],
    ) -> None:
        """`budget` says what a pass may carry.

        `emit` receives the messages for the front, `outbox` those that may wait, which models
        share. `tally` counts; `clock` is in seconds.
        """
        self.budget = budget
        self._backend = backend
        self._emit = emit
        self._tally = tally
        self._clock = clock
        self._outbox = outbox
        self.gpu_share = 0.0  # of the model's layers, those on a GPU
        self._most_threads: int | None = None  # None: as many as it was loaded with, for ever
        self._threads: int | None = None  # of the backend
        self._waiting: deque[ItemT] = deque()
        self._running: list[ItemT] = []

    @property
    def running(self) -> int:
        """How much was begun: answers that hold a sequence, or whole requests."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How much is in the queue."""
        return len(self._waiting)

    @property
    def startable(self) -> int:
        """How much of the queue waits for nothing but room."""
        return self.waiting

    @property
    def waits_since(self) -> float:
        """When the first in the queue came, as the clock reads; inf when nobody waits."""
        return self._waiting[0].arrived if self._waiting else math.inf

    @property
    def able(self) -> bool:
        """Whether a pass would do something."""
        return bool(self.running or self.startable)

    @property
    @abstractmethod
    def streaming(self) -> bool:
        """Whether a client sees tokens come, and would feel a long pass."""

    @abstractmethod
    def submit(self, request: Any) -> None:
        """Queue a request that it `serves`; one that cannot be done is answered by Failed."""

    @abstractmethod
    def cancel(self, request_id: int) -> None:
        """Drop a request, and report the time that it took."""

    @abstractmethod
    def tokenize(self, prompt: str, *, special: bool) -> tuple[list[int], int]:
        """Return the tokens of a prompt, and how many need not be read.

        RequestError where it could not be answered anyway.
        """

    @abstractmethod
    def step(self, *, brief: bool = False) -> None:
        """Do one pass. `brief`: others' streams wait."""

    @abstractmethod
    def close(self, why: str) -> None:
        """Fail what is under way and free the model."""

    def flush(self) -> None:
        """Send what was held back to save messages; see Outbox."""
        self._outbox.flush(self._clock())

    def set_threads(self, threads: int) -> None:
        """Set the most threads of the next passes."""
        self._most_threads = threads
        self._use(threads)

    def _begins(self, requests: Collection[int], tokens: int, begin_s: float) -> None:
        """Note that a pass of so many tokens begins, for `requests`."""
        self._tally.beat.note(requests, tokens)
        self._tally.beat.pass_begins(begin_s, self.gpu_share)

    def _use(self, asked: int | None) -> int:
        """Have the next pass use `asked` threads as far as allowed, None: all.

        Return how many are left.
        """
        most = self._most_threads
        if most is None:
            return 0
        threads = most if asked is None else min(asked, most)
        if threads != self._threads:
            self._backend.set_threads(threads)
            self._threads = threads
        return most - threads

    def _tell_failed(self, request_id: int, error: EdgeError) -> None:
        self._emit(failed(request_id, error))


def failed(request_id: int, error: EdgeError) -> Failed:
    """Return the message that a request ended with `error`."""
    match error:
        case RequestError():
            return Failed(request_id, str(error), error.param, error.code)
        case Unavailable():
            return Failed(request_id, str(error), None, error.code, error.retry_after_s)
        case EngineBroken():
            return Failed(request_id, str(error), code=BROKEN)
        case _:
            return Failed(request_id, str(error))


AnyRunner = Runner[Any, Any]
