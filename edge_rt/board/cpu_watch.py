"""The processors' time from look to look: the engine's, and that of other programs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from edge_rt.board.readers.cpu import CpuReader


@dataclass(frozen=True)
class _Sample:
    """Counters at one time, of the engine `pid`, this process and all."""

    pid: int
    time_s: float
    engine_s: float
    front_s: float
    board_s: float


class CpuWatch:
    """Core seconds from look to look: the engine's, and those of other programs."""

    def __init__(self, reader: CpuReader, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._reader, self._clock = reader, clock
        self._before: _Sample | None = None

    def look(self, engine: int | None) -> tuple[float, float] | None:
        """Core seconds of the process `engine`, and cores that others kept busy.

        None where they cannot be told, as at the first look at an engine.
        """
        before, now = self._before, self._sample(engine)
        self._before = now
        if before is None or now is None or before.pid != now.pid:
            return None
        seconds = now.time_s - before.time_s
        engine_s, front_s = now.engine_s - before.engine_s, now.front_s - before.front_s
        board_s = now.board_s - before.board_s
        if seconds <= 0.0 or min(engine_s, front_s, board_s) < 0.0:  # a counter began anew
            return None
        # The three are read one after the other, and by ticks: a little less than nothing is none.
        return engine_s, max(0.0, board_s - engine_s - front_s) / seconds

    def _sample(self, engine: int | None) -> _Sample | None:
        if engine is None:
            return None
        board_s = self._reader.board_s()
        engine_s, front_s = self._reader.process_s(engine), self._reader.process_s(os.getpid())
        if board_s is None or engine_s is None or front_s is None:
            return None
        return _Sample(engine, self._clock(), engine_s, front_s, board_s)
