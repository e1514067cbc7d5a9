"""Why an engine ended: by its exit code, and by what it was doing."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from edge_rt.engine.beat import Doing
from edge_rt.engine.fate import Fate

_OUTSIDE = (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Inquest:
    """On one engine; begin it when that one is started."""

    def __init__(self, root: Path = Path("/")) -> None:
        """`root` is where `proc` and `sys` lie."""
        self._counts = (_events(root), root / "proc" / "vmstat")
        self._before = self._out_of_memory()

    def fate(self, code: int, doing: Doing) -> Fate:
        """What became of an engine that nobody here condemned.

        The kernel kills without a word what has taken too much memory, but counts it.
        """
        if -code == signal.SIGKILL and self._out_of_memory() > self._before:
            why = "memory was short and the kernel killed it"
            return Fate(why, doing.requests, short_of_memory=True)
        outside = -code in _OUTSIDE
        why = f"{ended(code)}, from outside" if outside else ended(code)
        return Fate(why, doing.requests, outside)

    def _out_of_memory(self) -> int:
        """How often the kernel has killed for memory, as far as it tells: of this service's
        processes, or else of all.
        """
        for counts in self._counts:
            with suppress(OSError, ValueError):
                for line in counts.read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0


def _events(root: Path) -> Path:
    """Where the control group of this process counts them, in the hierarchy of version 2."""
    group = ""
    with suppress(OSError, ValueError):
        for line in (root / "proc" / "self" / "cgroup").read_text().splitlines():
            if line.startswith("0::"):
                group = line.removeprefix("0::").strip("/")
    return root / "sys" / "fs" / "cgroup" / group / "memory.events"


def ended(code: int) -> str:
    """An exit code for people."""
    return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
