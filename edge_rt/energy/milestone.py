"""A point in time that something has come to, and those who wait for it to get further."""

from __future__ import annotations

import asyncio


class Milestone:
    """How far word of something has come, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.at_s = float("-inf")
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def advance(self, to_s: float) -> None:
        """It has come to `to_s`; going back changes nothing."""
        self.at_s = max(self.at_s, to_s)
        due = [future for at_s, future in self._waiting if at_s <= self.at_s]
        self._waiting = [item for item in self._waiting if item[0] > self.at_s]
        for future in due:
            if not future.done():
                future.set_result(None)

    async def reach(self, at_s: float, patience_s: float) -> bool:
        """Wait until it has come to `at_s`; False when that takes longer than `patience_s`."""
        if self.at_s >= at_s:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((at_s, future))
        try:
            await asyncio.wait_for(future, patience_s)
        except asyncio.TimeoutError:
            return False
        finally:
            self._waiting = [item for item in self._waiting if item[1] is not future]
        return True
