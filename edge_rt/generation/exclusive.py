"""The whole board for one piece of work, such as a calibration."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from edge_rt.core.errors import Unavailable
from edge_rt.generation.state import State

RETRY_S = 5.0  # at least, for requests that come meanwhile


class Alone:
    """Lends the board to who asks first; requests are refused until it is given back."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._state, self._clock = state, clock
        self._what: str | None = None
        self._until_s = 0.0

    @property
    def lent(self) -> str | None:
        """What it is lent to; None: to nobody."""
        return self._what

    def refusal(self) -> str | None:
        """Why it cannot be lent now; None: it can."""
        if self._what is not None:
            return f"{self._what} is under way"
        if self._state.active:
            return f"{self._state.active} requests are waiting or running"
        return None

    def check(self) -> None:
        """Let a request pass; raises Unavailable while the board is lent."""
        if self._what is not None:
            left_s = max(RETRY_S, self._until_s - self._clock())
            raise Unavailable(
                f"{self._what} is under way, and needs the board for itself",
                retry_after_s=left_s,
                code="calibrating",
            )

    @contextmanager
    def hold(self, what: str, seconds: float) -> Generator[None]:
        """Have the board for `what`, about `seconds` long; raises Unavailable with the reason."""
        refusal = self.refusal()
        if refusal is not None:
            raise Unavailable(refusal, retry_after_s=RETRY_S, code="busy")
        self._what, self._until_s = what, self._clock() + seconds
        try:
            with self._state.request(1):  # the engine is at work, though for no request
                yield
        finally:
            self._what = None
