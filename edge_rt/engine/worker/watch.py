"""Ending a pass that may not end by itself: a thread listens to the front while it runs."""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from edge_rt.engine.protocol import Cancel, Infer, Shutdown, ToEngine, Unload
from edge_rt.engine.worker.port import Poll, Port
from edge_rt.errors import EdgeError, EngineError, RequestError


class Watch:
    """Reads the port in place of the decode loop, which cannot while it is inside a pass."""

    def __init__(
        self,
        port: Port,
        clock: Callable[[], float] = time.monotonic,
        poll: Callable[[], Poll] = select.poll,
    ) -> None:
        """`clock` is in seconds, and `poll` lets them pass."""
        self._port, self._clock = port, clock
        self._done, self._finish = os.pipe()
        self._poll = poll()
        for fd in (port.fileno(), self._done):
            self._poll.register(fd, select.POLLIN)
        self._thread = ThreadPoolExecutor(1, "watch")

    @contextmanager
    def over(self, request: Infer, stop: Callable[[], None]) -> Generator[None]:
        """Call `stop`, in another thread, where the block is to end before it would.

        What the block raises is then RequestError where it took longer than the request's
        `limit_s`, and EngineError where nobody waits for it any more.
        """
        looking = self._thread.submit(self._look, request, stop)
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        os.write(self._finish, b".")
        why = looking.result()
        os.read(self._done, 1)
        if failure is not None and why is not None:
            raise why from failure
        if failure is not None:
            raise failure

    def _look(self, request: Infer, stop: Callable[[], None]) -> EdgeError | None:
        """Why the block was stopped; None where it ended before."""
        until_s = math.inf if request.limit_s is None else self._clock() + request.limit_s
        why = self._why(request)  # by what was heard in another's pass
        while why is None:
            ready = self._ready(until_s)
            if self._done in ready:
                return None
            why = self._why(request) if ready else _late(request)
        stop()
        return why

    def _ready(self, until_s: float) -> list[int]:
        """The descriptors that became readable; none once the time is over."""
        while (left_s := until_s - self._clock()) > 0:
            ready = self._poll.poll(None if left_s == math.inf else 1000 * left_s)
            if ready:
                return [fd for fd, _ in ready]
        return []

    def _why(self, request: Infer) -> EdgeError | None:
        """Why nobody waits any more, if so; the decode loop still gets all that has arrived."""
        ends = any(_ends(message, request) for message in self._port.hear())
        return EngineError("nobody waits for it") if ends or not self._port.open else None


def _ends(message: ToEngine, request: Infer) -> bool:
    match message:
        case Cancel():
            return message.id == request.id
        case Unload():
            return message.model == request.model
        case _:
            return isinstance(message, Shutdown)


def _late(request: Infer) -> RequestError:
    return RequestError(
        f"`inputs`: {request.model} was not done with them after {request.limit_s:g} s and was "
        "stopped. Send less at once, or have requests.infer_s raised in config.yaml.",
        param="inputs",
        code="pass_too_long",
    )
