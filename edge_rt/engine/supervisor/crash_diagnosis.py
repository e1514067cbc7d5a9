"""Why an engine ended: by its exit code, and by what it was doing."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from edge_rt.cgroup import Group
from edge_rt.engine.supervisor.exit_reason import ExitReason
from edge_rt.engine.supervisor.heartbeat import Doing

_OUTSIDE = (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class CrashDiagnosis:
    """On one engine; begin it when that one is started."""

    def __init__(self, root: Path = Path("/")) -> None:
        """`root` is where `proc` and `sys` lie."""
        self._group, self._vmstat = Group(root), root / "proc" / "vmstat"
        self._before = self._out_of_memory()

    def fate(self, code: int, doing: Doing) -> ExitReason:
        """What became of an engine that nobody here condemned.

        The kernel kills without a word what has taken too much memory, but counts it.
        """
        if -code == signal.SIGKILL and self._out_of_memory() > self._before:
            why = "memory was short and the kernel killed it"
            return ExitReason(why, doing.requests, short_of_memory=True)
        outside = -code in _OUTSIDE
        why = f"{ended(code)}, from outside" if outside else ended(code)
        return ExitReason(why, doing.requests, outside)

    def _out_of_memory(self) -> int:
        """How often the kernel has killed for memory, as far as it tells: of this service's
        processes, or else of all.
        """
        if (own := self._group.kills()) is not None:
            return own
        with suppress(OSError, ValueError):
            for line in self._vmstat.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0


def ended(code: int) -> str:
    """An exit code for people."""
    if code >= 0:
        return f"exit {code}"
    named = -code in signal.Signals.__members__.values()  # not all of real time are
    return f"signal {signal.Signals(-code).name if named else -code}"
