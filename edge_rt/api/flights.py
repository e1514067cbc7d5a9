"""Answers that are being made, for who asks the very same meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

PATIENCE_S = 60.0  # that an answer is waited for, should its own client not read it


class Flights:
    """Knows by the keys of the cache what is being answered, and tells when that has ended."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._flying: dict[bytes, asyncio.Event] = {}

    @contextmanager
    def made(self, key: bytes) -> Generator[None, None, None]:
        """While the answer of that key is being made; the first who makes it counts."""
        ended = asyncio.Event()
        first = self._flying.setdefault(key, ended) is ended
        try:
            yield
        finally:
            if first:
                del self._flying[key]
                ended.set()

    async def landed(self, key: bytes) -> bool:
        """Wait for the answer of that key; whether there was anything to wait for.

        It may have failed, or be none to keep.
        """
        ended = self._flying.get(key)
        if ended is None:
            return False
        try:
            await asyncio.wait_for(ended.wait(), self._patience_s)
        except asyncio.TimeoutError:
            return False
        return True
