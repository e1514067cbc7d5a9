"""Which processes descend from one."""

from __future__ import annotations

import os
from pathlib import Path

_PARENT = 1  # in stat, counted behind the name


class Family:
    """A process and all that descend from it, but never this process itself.

    A look costs one listing and the reading of what is new, so it may be taken at each step: a
    child that is found late would have its first second's CPU time felt all at once.
    """

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._members = {pid}
        self._known: set[int] = {os.getpid()}

    def pids(self) -> tuple[int, ...]:
        """Those that there are now, in order; one that changed its parent stays a member."""
        present = {int(path.name) for path in self._proc.iterdir() if path.name.isdigit()}
        parents = {pid: self._parent(pid) for pid in present - self._known}
        self._members &= present
        while joining := {pid for pid, parent in parents.items() if parent in self._members}:
            self._members |= joining
            parents = {pid: parent for pid, parent in parents.items() if pid not in joining}
        self._known = present | {os.getpid()}
        return tuple(sorted(self._members))

    def _parent(self, pid: int) -> int | None:
        """None where the process is gone already."""
        try:
            data = (self._proc / str(pid) / "stat").read_bytes()
        except OSError:
            return None
        words = data.rpartition(b")")[2].split()
        return int(words[_PARENT]) if len(words) > _PARENT else None
