"""Who the engine works for: requests, or one measurement that has the board for itself."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from edge_rt.core.errors import Unavailable

QUEUE_RETRY_S = 2.0  # when the queue is full
MIN_RETRY_S = 5.0  # for requests that come during a measurement


class Occupancy:
    """Counts the requests that wait or run, and lends the board to one measurement at a time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self.active = 0  # requests waiting or running
        self.ahead = 0  # of them, those that nobody has sent: what they read is for later ones
        self.changed: Callable[[], None] = lambda: None  # called when requests come and go
        self._clock = clock
        self._lent_to: str | None = None
        self._until_s = 0.0

    @property
    def sent(self) -> int:
        """Requests of clients that wait or run."""
        return self.active - self.ahead

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which a measurement should be over; None while there is none."""
        left_s = self._until_s - self._clock()
        return None if self._lent_to is None else max(MIN_RETRY_S, left_s)

    @contextmanager
    def request(self, most: int) -> Generator[None]:
        """Count one request while the block runs; raises Unavailable over `most`."""
        self.check()
        if self.sent >= most:
            raise Unavailable(
                f"{self.sent} requests are waiting or running: requests.queue allows no more",
                retry_after_s=QUEUE_RETRY_S,
                code="queue_full",
            )
        with self._counted():
            yield

    def check(self) -> None:
        """Raise Unavailable while a measurement has the board for itself."""
        if self._lent_to is not None:
            raise Unavailable(
                f"{self._lent_to} is under way, and needs the board for itself",
                retry_after_s=self.retry_after_s,
                code="calibrating",
            )

    @contextmanager
    def lend(self, purpose: str, seconds: float) -> Generator[None]:
        """Reserve the board for about so many seconds; raises Unavailable while it is in use."""
        reason = f"{self._lent_to} is under way" if self._lent_to is not None else None
        if reason is None and self.sent > 0:
            reason = f"{self.sent} requests are waiting or running"
        if reason is not None:
            raise Unavailable(reason, retry_after_s=MIN_RETRY_S, code="busy")
        self._lent_to, self._until_s = purpose, self._clock() + seconds
        try:
            with self._counted():  # the engine is at work, though for no request
                yield
        finally:
            self._lent_to = None

    @contextmanager
    def _counted(self) -> Generator[None]:
        self.active += 1
        self.changed()
        try:
            yield
        finally:
            self.active -= 1
            self.changed()
