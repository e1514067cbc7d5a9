"""Snapshots that are made once for all who listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress


class Feed:
    """Makes a snapshot repeatedly while there are listeners.

    Nothing is queued: a slow listener misses the snapshots in between.
    """

    def __init__(self, make: Callable[[], Awaitable[bytes]], pause: Callable[[], Awaitable[bool]]):
        """`pause` waits from one to the next, and returns True when there is to be no other."""
        self._make, self._pause = make, pause
        self._listeners = 0
        self._maker: asyncio.Task[None] | None = None
        self._latest, self._made = b"", 0  # and how many were made
        self._next: asyncio.Future[None] | None = None  # None: there is no other

    async def listen(self) -> AsyncGenerator[bytes]:
        """Yield the latest at once, then each new one until the end; raises what making raises."""
        self._listeners += 1
        if self._maker is None or self._maker.done():
            self._made, self._next = 0, asyncio.get_running_loop().create_future()
            self._maker = asyncio.create_task(self._run())
        seen = 0
        try:
            while True:
                if self._made == seen:
                    if self._next is None:
                        return
                    # A listener that is cancelled must not cancel what the others wait for.
                    await asyncio.shield(self._next)
                else:
                    seen = self._made
                    yield self._latest
        finally:
            self._listeners -= 1
            if not self._listeners:
                await self._stop()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._latest = await self._make()
                self._made += 1
                self._tell(loop.create_future())
                if await self._pause():
                    self._tell(None)
                    return
        except Exception as error:
            if self._next is not None:
                self._next.set_exception(error)
                self._next.exception()  # it may be that nobody waits just now

    def _tell(self, following: asyncio.Future[None] | None) -> None:
        told, self._next = self._next, following
        if told is not None:
            told.set_result(None)

    async def _stop(self) -> None:
        maker, self._maker, self._next = self._maker, None, None
        if maker is not None:
            maker.cancel()
            with suppress(asyncio.CancelledError):
                await maker
