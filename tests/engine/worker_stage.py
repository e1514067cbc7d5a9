"""A worker in simulated time: its poll is what lets time pass."""

from __future__ import annotations

import math
import random
import select
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from edge_rt.engine.channel import Frames, encode, front_decoder
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.protocol import EngineWork, ModelSpec, Shutdown, StepOutput, ToEngine
from edge_rt.engine.worker.worker import Worker

ENDLESS = 10**6  # tokens of context


@dataclass(frozen=True)
class Heard:
    """A message, and when the engine was next seen to look up."""

    time_s: float
    message: Any


class Stage:
    """A worker with one model whose passes take `pass_s` and `token_s` for each token.

    It is the worker's clock and its poll: when nothing has arrived, it lets time pass up to the
    next message of the script, or to the timeout and then some.
    """

    def __init__(
        self,
        toy: Callable[..., Any],
        pass_s: float,
        token_s: float = 0.0,
        *,
        late_s: float = 0.0,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.now = 0.0
        self.passes: list[tuple[float, float]] = []  # when each began and ended
        self.heard: list[Heard] = []
        self.parked: list[float] = []
        self._costs = pass_s, token_s
        self._late_s, self._chance = late_s, random.Random(7)
        self._script: Iterator[tuple[float, ToEngine]] = iter(())
        self._next: tuple[float, ToEngine] | None = None
        self._frames, self._decode = Frames(), front_decoder().decode
        self._real = select.poll()
        self._sock, theirs = socket.socketpair()
        self._sock.setblocking(False)
        self.worker = Worker(
            theirs,
            lambda spec, threads: pytest.fail("nothing is loaded here"),
            backends={},
            threads=2,
            clock=lambda: self.now,
            poll=lambda: self,
            park=lambda: self.parked.append(self.now),
            checkpoints=checkpoints,
        )
        self.models: dict[str, Any] = {}
        self._toy = toy
        self.add("toy")

    def add(self, name: str, *, gpu_share: float = 0.0, **shape: Any) -> None:
        """Another model, of three sequences unless `shape` says otherwise."""
        backend = self._toy(**{"context": ENDLESS, **shape})
        forward = backend.forward

        def timed() -> None:
            begin, (pass_s, token_s) = self.now, self._costs
            forward()
            self.now += pass_s + token_s * backend.batch.size
            self.passes.append((begin, self.now))

        backend.forward = timed
        sizes = ENDLESS, backend.sequences, backend.batch.capacity, 16
        spec = ModelSpec("toy", "", *sizes, gpu_share=gpu_share)
        self.worker._models.add(name, backend, spec)
        self.models[name] = backend

    def run(self, *script: tuple[float, ToEngine]) -> None:
        """Serve `script`, messages by when they arrive, and shut down with the last one."""
        self._script = iter([*script, (script[-1][0], Shutdown())])
        self._next = next(self._script)
        self.worker.run()
        self._hear()

    # --- select.poll

    def register(self, fd: int, eventmask: int, /) -> None:
        self._real.register(fd, eventmask)

    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]:
        self._hear()
        self._tell()
        ready = self._real.poll(0)
        assert ready or self._next is not None, "the engine goes on after Shutdown"
        if ready or timeout == 0:
            return ready
        end = math.inf if timeout is None else math.ceil(timeout) / 1000 + self.now
        self.now = min(self._next[0], end + self._late_s * self._chance.random())
        self._tell()
        return self._real.poll(0)

    def _tell(self) -> None:
        while self._next is not None and self._next[0] <= self.now:
            self._sock.sendall(encode(self._next[1]))
            self._next = next(self._script, None)

    def _hear(self) -> None:
        try:
            while data := self._sock.recv(1 << 16):
                for body in self._frames.feed(data):
                    self.heard.append(Heard(self.now, self._decode(body)))
        except BlockingIOError:
            pass

    # --- what came of it

    def computed(self, begin: float, end: float) -> float:
        """Seconds of passes between two times."""
        return sum(max(0.0, min(e, end) - max(b, begin)) for b, e in self.passes)

    def read_by(self, time_s: float) -> int:
        """Tokens of the passes of "toy" that had ended by then."""
        sizes = [sum(count for _, count in one) for one in self.models["toy"].passes]
        ended = sum(end <= time_s + 1e-9 for _, end in self.passes)
        return sum(sizes[:ended])

    def all(self, kind: type) -> list[Any]:
        """The messages of one kind."""
        return [heard.message for heard in self.heard if isinstance(heard.message, kind)]

    def when(self, kind: type) -> list[float]:
        """Return when they were heard."""
        return [heard.time_s for heard in self.heard if isinstance(heard.message, kind)]

    def spans(self) -> list[EngineWork]:
        return [step.work for step in self.all(StepOutput) if step.work is not None]
