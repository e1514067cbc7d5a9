"""The engine's end of the socket."""

from __future__ import annotations

import math
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from edge_rt.engine.framing import Frames, encode, engine_decoder
from edge_rt.engine.protocol import ToEngine, ToFront


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

    def received(self) -> Iterator[ToEngine]:
        """What has arrived; never waits."""
        while self._heard:
            yield self._heard.popleft()
        yield from self._arrived()

    def hear(self) -> list[ToEngine]:
        """All that has arrived, ahead of `received`, which gives it nevertheless.

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
