"""The engine's end of the socket, and what is done beside the decode loop: compiling, listening."""

from __future__ import annotations

import logging
import math
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event
from typing import Protocol

from edge_rt.core.clock import Aside
from edge_rt.core.errors import Unavailable
from edge_rt.engine.channel import Frames, encode, engine_decoder
from edge_rt.engine.generation.model_sequence import Home
from edge_rt.engine.protocol import Generate, ToEngine, ToFront

log = logging.getLogger(__name__)


AT_ONCE = 3  # clients whose constraints are compiled at the same time
PATIENCE_S = 2.0  # after which one is given up where another client waits
EXPENSIVE_S = 0.2  # of the processor: the client's next ones run while nothing else does,
FORGIVEN_S = 60.0  # for this long


class Compilation:
    """What a request waits for; `error`: why it is not to be had now."""

    def __init__(self, request: Generate, homes: Sequence[Home], crowded: Event) -> None:
        """Others wait for their turn while it is `crowded`."""
        self.cpu_s = 0.0  # the most that a constraint has taken
        self.request = request
        self.client = request.user or request.client or ""  # who is unknown is one client
        self.wanted = True
        self.error: Unavailable | None = None
        self._homes, self._crowded = homes, crowded
        self._held: list[object] = []  # what the scheduler is going to ask for
        self._until_s: float | None = None  # it is not being compiled yet

    def run(self, *, idle: bool = False) -> Compilation:
        """Compile and start; what comes of it is kept for the scheduler of the request.

        `idle`: compile only while nothing else runs.
        """
        request = self.request
        try:
            for home in self._homes:
                if request.constraint is not None:
                    self._until_s = None
                    compile = home.grammars.compile
                    self._held.append(compile(request.constraint, self._goes_on, idle=idle))
                if request.check is not None:
                    home.checkers.start(request.check)
        except Unavailable as error:
            self.error = error
        except Exception:  # of a thread that must go on
            log.exception("the constraint of a request cannot be prepared")
            param = "edge.check" if request.constraint is None else request.constraint.param
            why = f"`{param}`: the engine failed to prepare it. The daemon's log says why."
            self.error = Unavailable(why, retry_after_s=None)
        return self

    def _goes_on(self, cpu_s: float) -> bool:
        """Return whether to go on; it is first called when the constraint is being compiled."""
        self.cpu_s = max(self.cpu_s, cpu_s)
        if self._until_s is None:  # a vocabulary that had to be prepared does not count
            self._until_s = time.monotonic() + PATIENCE_S
        late = time.monotonic() > self._until_s
        return self.wanted and not (late and self._crowded.is_set())


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
        """Yield the compilations that are done, without dropped ones."""
        for one in self._aside.finished():
            self._running.remove(one)
            self._remember(one)
            self._begin()
            if one.wanted:
                yield one

    def close(self) -> None:
        """Close the descriptor."""
        self._aside.close()

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
            idle = self._expensive.get(one.client, 0.0) > time.monotonic()
            self._aside.do(partial(one.run, idle=idle))
            able = self._able()
        if able:
            self._crowded.set()
        else:
            self._crowded.clear()

    def _able(self) -> list[Compilation]:
        """Return those of clients that have nothing compiled now."""
        busy = {one.client for one in self._running}
        return [one for one in self._waiting if one.client not in busy]


class Poll(Protocol):
    """The part of select.poll that is used; timeouts in milliseconds, None: without end."""

    def register(self, fd: int, eventmask: int, /) -> None:
        """Wait for `fd`, too."""
        ...

    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]:
        """Return the descriptors that became ready within `timeout`, with their events."""
        ...


class Port:
    """Messages in and out; `open` until the front has hung up."""

    def __init__(self, sock: socket.socket, poll: Callable[[], Poll] = select.poll) -> None:
        self.open = True
        self._sock = sock
        self._frames = Frames()
        self._decoder = engine_decoder()
        self._poll = poll()
        self._poll.register(sock.fileno(), select.POLLIN)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something arrives."""
        return self._sock.fileno()

    def wake_on(self, fd: int) -> None:
        """Have `wait` return when `fd` becomes readable, too."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to do, `seconds` at most; False when there is not."""
        return bool(self._poll.poll(None if seconds == math.inf else seconds * 1000))

    def ready(self) -> bool:
        """Return whether something has arrived, or one of the other descriptors is readable."""
        return bool(self._poll.poll(0))

    def received(self) -> Iterator[ToEngine]:
        """Yield what has arrived; never waits."""
        if any(fd == self._sock.fileno() for fd, _ in self._poll.poll(0)):
            for body in self._frames.feed(self._read()):
                yield self._decoder.decode(body)

    def send(self, message: ToFront) -> None:
        """Say `message`; unheard when the front is gone."""
        try:
            self._sock.sendall(encode(message))
        except ConnectionError:
            self.open = False

    def _read(self) -> bytes:
        try:
            data = self._sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        self.open = self.open and bool(data)
        return data
