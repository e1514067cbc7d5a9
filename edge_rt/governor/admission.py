"""Admission of requests to the engine: now, later, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from edge_rt.core.errors import Unavailable
from edge_rt.core.limits import Limits

RETRY_S = 5.0  # where the limits do not say when
LOAD_S = 60.0  # that a request waits for its model to be loaded, which others may pass


@dataclass(eq=False)
class _Waiting:
    loads: bool  # whether its model has to be loaded first
    turn: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Admission:
    """Lets requests in as the limits say, in the order in which they came.

    Those that need no model loaded may pass those that do while none may be loaded. How many may
    wait is for the caller to bound.
    """

    def __init__(self, limits: Limits) -> None:
        self._queue: list[_Waiting] = []
        self._closed = False
        self.update(limits)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def update(self, limits: Limits) -> None:
        """Apply `limits` from now on; with "refuse" the queue is refused too."""
        self._limits = limits
        for request in self._queue:
            if request.turn.done():
                continue
            if limits.admission == "refuse":
                request.turn.set_exception(refusal(limits))
            elif self._admits(request.loads):
                request.turn.set_result(None)

    def close(self) -> None:
        """Admit no request any more: the daemon is about to stop."""
        self._closed = True
        for request in self._queue:
            if not request.turn.done():
                request.turn.set_exception(_stopping())

    async def enter(self, loads: bool) -> None:
        """Wait for one's turn.

        Raises Unavailable where there will be none soon, and after LOAD_S if it `loads`: who needs
        nothing loaded may pass, so that the wait may have no end.

        `loads` says whether a model has to be loaded for the request. It holds nothing: whoever
        leaves, before or after, takes nobody's place.
        """
        if self._closed:
            raise _stopping()
        if self._limits.admission == "refuse":
            raise refusal(self._limits)
        if self._admits(loads):
            return
        request = _Waiting(loads)
        self._queue.append(request)
        patience = asyncio.get_running_loop().call_later(LOAD_S, self._expire, request)
        try:
            await request.turn
        finally:
            patience.cancel()
            self._queue.remove(request)

    def _expire(self, request: _Waiting) -> None:
        if request.loads and not request.turn.done():
            request.turn.set_exception(_no_load(self._limits))

    def _admits(self, loads: bool) -> bool:
        return self._limits.admission == "open" and (self._limits.heavy or not loads)


def refusal(limits: Limits) -> Unavailable:
    """Return the error for a request that the board cannot afford now."""
    hot = limits.guard == "evacuate" or limits.bound_by in ("temp_c", "guard")
    return Unavailable(
        f"The board takes no requests now: {limits.why}.",
        retry_after_s=limits.retry_after_s or RETRY_S,
        code="too_hot" if hot else "budget",
    )


def _no_load(limits: Limits) -> Unavailable:
    return Unavailable(
        f"The model of the request could not be loaded for {LOAD_S:.0f} s: {limits.why}.",
        retry_after_s=limits.retry_after_s or LOAD_S,
        code="budget" if limits.guard == "ok" else "too_hot",
    )


def _stopping() -> Unavailable:
    return Unavailable("The daemon is stopping.", retry_after_s=RETRY_S, code="stopping")
