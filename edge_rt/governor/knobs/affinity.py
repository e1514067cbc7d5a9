"""The cores that a process may use, with all its threads."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from pathlib import Path

from edge_rt.governor.knobs.knob import Knob, KnobError, KnobTarget, ProcessEnded, Value, failure

_NAME = re.compile(r"affinity of process (\d+) begun at tick (\d+)")
_ROUNDS = 50  # through a process that makes threads all the time
_PROC = Path("/proc")

Get = Callable[[int], Collection[int]]
Set = Callable[[int, Collection[int]], None]


class Affinity(Knob):
    """The cores that any thread of one process may use, in order.

    The time at which the process began tells it from a later one of the same number.
    """

    def __init__(
        self,
        pid: int,
        begun: int,
        proc: Path = _PROC,
        get: Get = os.sched_getaffinity,
        set: Set = os.sched_setaffinity,
    ) -> None:
        """`begun` is in ticks since boot, as in /proc/PID/stat."""
        self.name = f"affinity of process {pid} begun at tick {begun}"
        self._pid, self._begun, self._proc = pid, begun, proc
        self._get, self._set = get, set

    def read(self) -> list[int]:
        """The cores of all threads together."""
        cores: set[int] = set()
        for thread in self._threads():
            try:
                cores.update(self._get(thread))
            except ProcessLookupError:  # it has ended
                continue
        return sorted(cores)

    def write(self, value: Value) -> None:
        """Bind every thread, and so those that they make from now on."""
        if not isinstance(value, list):
            raise KnobError(f"{self.name} takes a list of cores, not {value!r}")
        bound: set[int] = set()
        for _ in range(_ROUNDS):
            fresh = self._threads() - bound  # a new thread has the cores of the one that made it
            if not fresh:
                return
            for thread in fresh:
                self._bind(thread, value)
            bound |= fresh
        raise KnobError(f"{self.name}: it makes threads faster than they can be bound")

    def _bind(self, thread: int, cores: list[int]) -> None:
        try:
            self._set(thread, cores)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise KnobError("the process belongs to another user") from error
        except (OSError, ValueError, OverflowError) as error:
            raise KnobError(f"none of the cores {cores} can be used here") from error

    def _threads(self) -> set[int]:
        if begun_at(self._pid, self._proc) != self._begun:
            raise ProcessEnded(f"process {self._pid} has ended")
        folder = self._proc / str(self._pid) / "task"
        try:
            return {int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()}
        except OSError as error:
            raise failure(folder, error, "read") from error


def begun_at(pid: int, proc: Path = _PROC) -> int | None:
    """When the process began, in ticks since boot; None where there is none."""
    try:
        words = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return None if words[0] in (b"Z", b"X") else int(words[19])
    except (OSError, IndexError, ValueError):
        return None


def affinity_target(pid: int, cores: list[int], proc: Path = _PROC) -> KnobTarget:
    """Process `pid` shall use `cores` only; raises ProcessEnded."""
    begun = begun_at(pid, proc)
    if begun is None:
        raise ProcessEnded(f"process {pid} has ended")
    return KnobTarget(Affinity(pid, begun, proc), sorted(set(cores)))


def affinity_knob(name: str, proc: Path = _PROC) -> Affinity | None:
    """The knob that the journal calls `name`; None where it is none of these."""
    match = _NAME.fullmatch(name)
    return Affinity(int(match[1]), int(match[2]), proc) if match else None
