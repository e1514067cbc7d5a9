"""Whose turn it is at the process that fills in chat templates."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import OrderedDict


class ClientTurns:
    """Whose turn it is: clients one after the other, and of each the smallest task first."""

    def __init__(self) -> None:
        self._taken = False
        self._numbers = itertools.count()
        self._waiting: OrderedDict[str | None, list[tuple[int, int, asyncio.Future[None]]]]
        self._waiting = OrderedDict()

    async def enter(self, client: str | None, size: int) -> None:
        """Wait for a turn; the caller must leave it."""
        if not self._taken:
            self._taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(client, [])
        heapq.heappush(waiting, (size, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the turn to the next who still waits."""
        self._taken = False
        while self._waiting and not self._taken:
            client, waiting = self._waiting.popitem(last=False)
            *_, turn = heapq.heappop(waiting)
            if waiting:
                self._waiting[client] = waiting  # behind all others
            if not turn.done():
                self._taken = True
                turn.set_result(None)
