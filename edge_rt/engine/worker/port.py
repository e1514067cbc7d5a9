"""The engine's end of the socket, and what is done beside the decode loop: compiling, listening."""

from __future__ import annotations

import logging
import math
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Protocol

from edge_rt.core.clock import Aside
from edge_rt.core.errors import EdgeError, EngineError, RequestError, Unavailable
from edge_rt.decoding.params import Constraint
from edge_rt.engine.channel import Frames, encode, engine_decoder
from edge_rt.engine.generation.model_sequence import Home
from edge_rt.engine.protocol import (
    Cancel,
    Generate,
    RunTensors,
    Shutdown,
    ToEngine,
    ToFront,
    UnloadModel,
)

log = logging.getLogger(__name__)


AT_ONCE = 3  # clients whose constraints are compiled at the same time
PATIENCE_S = 2.0  # after which one is given up where another client waits
EXPENSIVE_S = 0.2  # of the processor: the client's next ones run while nothing else does,
FORGIVEN_S = 60.0  # for this long


class Compilation:
    """What a request waits for; `error`: why it is not to be had now."""

    def __init__(self, request: Generate, homes: Sequence[Home], crowded: Event) -> None:
        """Others wait for their turn while it is `crowded`."""
        self.idle = False  # compile only while nothing else runs
        self.cpu_s = 0.0  # the most that a constraint has taken
        self.request = request
        self.client = request.user or request.client or ""  # who is unknown is one client
        self.wanted = True
        self.error: Unavailable | None = None
        self._homes, self._crowded = homes, crowded
        self._held: list[object] = []  # what the scheduler is going to ask for
        self._until_s: float | None = None  # it is not being compiled yet

    def run(self) -> Compilation:
        """Compile and start; what comes of it is kept for the scheduler of the request."""
        request = self.request
        try:
            for home in self._homes:
                if request.constraint is not None:
                    self._until_s = None
                    self._held.append(self._compiled(request.constraint, home))
                if request.check is not None:
                    home.checkers.start(request.check)
        except Unavailable as error:
            self.error = error
        except Exception:  # of a thread that must go on
            log.exception("the constraint of a request cannot be prepared")
            self.error = self._fault()
        return self

    def _compiled(self, constraint: Constraint, home: Home) -> object:
        return home.grammars.compile(constraint, self._goes_on, idle=self.idle)

    def _goes_on(self, cpu_s: float) -> bool:
        """Return whether to go on; it is first called when the constraint is being compiled."""
        self.cpu_s = max(self.cpu_s, cpu_s)
        if self._until_s is None:  # a vocabulary that had to be prepared does not count
            self._until_s = time.monotonic() + PATIENCE_S
        late = time.monotonic() > self._until_s
        return self.wanted and not (late and self._crowded.is_set())

    def _fault(self) -> Unavailable:
        constraint = self.request.constraint
        param = "edge.check" if constraint is None else constraint.param
        return Unavailable(
            f"`{param}`: the engine failed to prepare it. The daemon's log says why.",
            retry_after_s=None,
        )


class Compiler:
    """Compiles the constraints of requests beside the decode loop, before they are queued.

    Each client has one compiled at a time, and AT_ONCE clients do. A grammar that is compiled for
    the first time takes milliseconds, and a second for a model that had none; a checker starts as
    fast as its program does. Readable (select) when one is done.
    """

    def __init__(self, homes: Callable[[Generate], Sequence[Home]]) -> None:
        """`homes` tells the schedulers of a request's models, as far as they are loaded."""
        self._homes = homes
        self._aside = Aside[Compilation]("grammars", AT_ONCE)
        self._waiting: list[Compilation] = []
        self._running: list[Compilation] = []
        self._crowded = Event()
        self._expensive: dict[str, float] = {}  # clients, and until when

    def fileno(self) -> int:
        return self._aside.fileno()

    def start(self, request: Generate) -> None:
        """Compile the constraint of a request for all its models, and start its checker."""
        self._waiting.append(Compilation(request, self._homes(request), self._crowded))
        self._begin()

    def cancel(self, request_id: int) -> None:
        """Drop a request; its constraint is not compiled further."""
        self._waiting = [one for one in self._waiting if one.request.id != request_id]
        for one in self._running:
            one.wanted = one.wanted and one.request.id != request_id
        self._begin()

    def finished(self) -> Iterator[Compilation]:
        """What is done, without what was dropped."""
        for one in self._aside.finished():
            self._running.remove(one)
            self._remember(one)
            self._begin()
            if one.wanted:
                yield one

    def _remember(self, done: Compilation) -> None:
        now = time.monotonic()
        self._expensive = {who: until for who, until in self._expensive.items() if until > now}
        if done.cpu_s > EXPENSIVE_S:
            self._expensive[done.client] = now + FORGIVEN_S

    def _begin(self) -> None:
        able = self._able()
        while able and len(self._running) < AT_ONCE:
            one = able[0]
            self._waiting.remove(one)
            self._running.append(one)
            one.idle = self._expensive.get(one.client, 0.0) > time.monotonic()
            self._aside.do(one.run)
            able = self._able()
        if able:
            self._crowded.set()
        else:
            self._crowded.clear()

    def _able(self) -> list[Compilation]:
        """Those of clients that have nothing compiled now."""
        busy = {one.client for one in self._running}
        return [one for one in self._waiting if one.client not in busy]


class Poll(Protocol):
    """The part of select.poll that is used; timeouts in milliseconds, None: without end."""

    def register(self, fd: int, eventmask: int, /) -> None:
        """Wait for `fd`, too."""
        ...

    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]:
        """The descriptors that became ready within `timeout`, with their events."""
        ...


class Port:
    """Messages in and out; `open` until the front has hung up."""

    def __init__(self, sock: socket.socket, poll: Callable[[], Poll] = select.poll) -> None:
        self.open = True
        self._sock = sock
        self._frames = Frames()
        self._decoder = engine_decoder()
        self._heard: deque[ToEngine] = deque()  # what `hear` gave and `received` has not yet
        self._poll = poll()
        self._poll.register(sock.fileno(), select.POLLIN)

    def fileno(self) -> int:
        """The descriptor that becomes readable when something arrives."""
        return self._sock.fileno()

    def wake_on(self, fd: int) -> None:
        """Have `wait` return when `fd` becomes readable, too."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to do, `seconds` at most; False when there is not."""
        return bool(self._poll.poll(None if seconds == math.inf else seconds * 1000))

    def ready(self) -> bool:
        """Whether something has arrived, or one of the other descriptors is readable."""
        return bool(self._heard or self._poll.poll(0))

    def received(self) -> Iterator[ToEngine]:
        """What has arrived; never waits."""
        while self._heard:
            yield self._heard.popleft()
        yield from self._arrived()

    def hear(self) -> list[ToEngine]:
        """Return all that has arrived; `received` yields it nevertheless.

        For another thread while that of `received` does nothing with the port.
        """
        self._heard.extend(self._arrived())
        return list(self._heard)

    def send(self, message: ToFront) -> None:
        """Say `message`; unheard when the front is gone."""
        try:
            self._sock.sendall(encode(message))
        except ConnectionError:
            self.open = False

    def _arrived(self) -> Iterator[ToEngine]:
        if any(fd == self._sock.fileno() for fd, _ in self._poll.poll(0)):
            for body in self._frames.feed(self._read()):
                yield self._decoder.decode(body)

    def _read(self) -> bytes:
        try:
            data = self._sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        self.open = self.open and bool(data)
        return data


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
    def over(self, request: RunTensors, stop: Callable[[], None]) -> Generator[None]:
        """Call `stop`, in another thread, where the block is to end before it would.

        The block then raises RequestError where it took longer than the request's `limit_s`, and
        EngineError where nobody waits for it any more.
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

    def _look(self, request: RunTensors, stop: Callable[[], None]) -> EdgeError | None:
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

    def _why(self, request: RunTensors) -> EdgeError | None:
        """Why nobody waits any more, if so; the decode loop still gets all that has arrived."""
        ends = any(_ends(message, request) for message in self._port.hear())
        return EngineError("nobody waits for it") if ends or not self._port.open else None


def _ends(message: ToEngine, request: RunTensors) -> bool:
    match message:
        case Cancel():
            return message.id == request.id
        case UnloadModel():
            return message.model == request.model
        case _:
            return isinstance(message, Shutdown)


def _late(request: RunTensors) -> RequestError:
    return RequestError(
        f"`inputs`: {request.model} was not done with them after {request.limit_s:g} s and was "
        "stopped. Send less at once, or have requests.infer_s raised in config.yaml.",
        param="inputs",
        code="pass_too_long",
    )
