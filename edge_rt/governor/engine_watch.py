"""What the engine did from look to look, by its own word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import Pong

PATIENCE_S = 0.1  # for a pass that is under way


@dataclass(frozen=True)
class Done:
    """Seconds inside passes and tokens since the last look; see Observation."""

    busy_s: float = 0.0
    prompt_s: float = 0.0
    tokens: int = 0
    prompt_tokens: int = 0
    running: int = 0
    waiting: int = 0
    spare_s: float = 0.0
    gpu_s: float | None = None


class EngineWatch:
    """Asks the engine between two passes. One that is in a long pass answers at a later look."""

    def __init__(
        self, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience_s` is how long a look waits for the answer. `clock` is in seconds, the engine's
        own.
        """
        self._patience_s, self._clock = patience_s, clock
        self._offloaded_s: float | None = None  # seconds in passes on a GPU at the last look
        self._client: EngineClient | None = None
        self._before: Pong | None = None
        self._asked: asyncio.Task[Pong] | None = None

    async def look(self, client: EngineClient | None) -> Done:
        """What was done since the last look that had an answer; nothing without an engine."""
        if client is not self._client:
            self.close()
            self._client, self._before, self._offloaded_s = client, None, None
        if client is None:
            return Done()
        try:
            pong = await self._pong(client)
        except EngineLost:
            self._before = None
            return Done()
        before = self._before
        if pong is None:
            return Done() if before is None else self._still(before)
        self._before = pong
        if before is None:
            return self._still(pong)
        return Done(
            busy_s=pong.native_s - before.native_s,
            prompt_s=pong.read_s - before.read_s,
            tokens=pong.drawn - before.drawn,
            prompt_tokens=pong.read - before.read,
            running=pong.running,
            waiting=pong.waiting,
            spare_s=pong.spare_s - before.spare_s,
            gpu_s=self._gpu_s(pong, pong.gpu_s - before.gpu_s),
        )

    def rest(self) -> Done:
        """A look at an engine that has nothing to do, and is not asked."""
        return Done(gpu_s=None if self._before is None else self._gpu_s(self._before, 0.0))

    def close(self) -> None:
        """Wait for no answer any more."""
        if self._asked is not None:
            self._asked.cancel()
        self._asked = None

    async def _pong(self, client: EngineClient) -> Pong | None:
        """The answer if it comes soon, also to a question of an earlier look; else None."""
        if self._asked is None:
            self._asked = asyncio.create_task(client.ping())
        done, _ = await asyncio.wait((self._asked,), timeout=self._patience_s)
        if not done:
            return None
        asked, self._asked = self._asked, None
        return asked.result()

    def _still(self, pong: Pong) -> Done:
        """A look without new counters: requests as last told, and the GPU time that is noted."""
        return Done(running=pong.running, waiting=pong.waiting, gpu_s=self._gpu_s(pong, 0.0))

    def _gpu_s(self, pong: Pong, seconds: float) -> float | None:
        """Seconds of passes on a GPU since the last look; None: no model had layers there.

        `seconds` is from the engine's answer; its notes include the pass under way as well.
        """
        beat = None if self._client is None else self._client.beat
        if beat is not None:
            before_s, now_s = self._offloaded_s, beat.offloaded_s(self._clock())
            if before_s is not None:  # a pass that fails was counted while under way
                now_s = max(before_s, now_s or 0.0)
            self._offloaded_s = now_s
            seconds = 0.0 if before_s is None or now_s is None else now_s - before_s
        return seconds if pong.offloads or seconds > 0.0 else None
