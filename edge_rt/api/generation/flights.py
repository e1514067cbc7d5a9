"""Answers that are being made, for who asks the very same meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager


class Flights:
    """Knows by the keys of the cache what is being answered, and tells when that has ended.

    Nobody waits for ever: a client that does not read its answer is cut off.
    """

    def __init__(self) -> None:
        self._flying: dict[bytes, asyncio.Future[bool]] = {}  # whether it ended well

    @contextmanager
    def made(self, key: bytes) -> Generator[None, None, None]:
        """While the answer of that key is being made; the first who makes it counts."""
        ended = asyncio.get_running_loop().create_future()
        first = self._flying.setdefault(key, ended) is ended
        well = False
        try:
            yield
            well = True
        finally:
            if first:
                del self._flying[key]
                ended.set_result(well)

    async def landed(self, key: bytes) -> bool:
        """Wait for the answer of that key; False where nobody makes it.

        Where it failed or its client left, one of those who wait is told so, to make it.
        """
        while (ended := self._flying.get(key)) is not None:
            if await asyncio.shield(ended):
                return True
        return False
