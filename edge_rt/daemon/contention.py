"""Giving way: the engine's threads follow what other processes leave free."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable

from edge_rt.daemon.supervisor import Supervisor
from edge_rt.governor.threads import ThreadChooser
from edge_rt.sensors.cpu import CpuReader

log = logging.getLogger(__name__)

PERIOD_S = 0.5


class Contention:
    """Watches the board's CPU and tells the engine how many threads to use.

    It watches when nothing runs too, so that the first pass of a request starts right: four reads
    of procfs a second are too few to measure.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        chooser: ThreadChooser,
        reader: CpuReader,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` is in seconds; `pause` lets seconds pass between two looks."""
        self._supervisor = supervisor
        self._chooser = chooser
        self._reader = reader
        self._clock = clock
        self._pause = pause

    async def run(self) -> None:
        """Watch for ever."""
        before = None
        while True:
            now = self._sample()
            if before is not None and now is not None and now[0] == before[0]:
                self._apply(max(0.0, (now[2] - before[2]) / (now[1] - before[1])))
            before = now
            await self._pause(PERIOD_S)

    def _sample(self) -> tuple[int, float, float] | None:
        """Engine pid, clock reading, and busy seconds that are neither the engine's nor ours."""
        pid = self._supervisor.pid
        if pid is None:
            return None
        board = self._reader.board_s()
        ours = [self._reader.process_s(p) for p in (pid, os.getpid())]
        if board is None or ours[0] is None or ours[1] is None:
            return None
        return pid, self._clock(), board - ours[0] - ours[1]

    def _apply(self, others: float) -> None:
        threads = self._chooser.threads
        chosen = self._chooser.update(others)
        client = self._supervisor.current
        if chosen != threads and client is not None and not client.lost.is_set():
            log.debug("others use %.1f cores: threads=%d from now on", others, chosen)
            client.set_limits(chosen)
