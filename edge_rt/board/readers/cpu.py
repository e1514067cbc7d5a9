"""CPU time of the whole board and of single processes, from procfs."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.cpu_time import BoardTime, ProcessTime


class CpuReader:
    """Reads busy seconds, each a counter that only grows."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._board = BoardTime(proc)

    def board_s(self) -> float | None:
        """Seconds that all cores together were busy since boot; None where not readable."""
        return self._board.busy_s()

    def process_s(self, pid: int) -> float | None:
        """User and system seconds of all threads of `pid`; None when it is gone."""
        process = ProcessTime(self._proc, pid)
        try:
            return process.busy_s()
        finally:
            process.file.close()
