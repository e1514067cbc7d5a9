"""The process of an engine, its memory for checkpoints, why it ended, and which loads failed."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_rt.core.errors import DamagedFile, Unavailable
from edge_rt.core.system.cgroup import ControlGroup
from edge_rt.engine.channel import Doing
from edge_rt.engine.kv.checkpoints import Checkpoints
from edge_rt.engine.protocol import ModelSpec

FAILED_S = 10.0  # for which a failed load is not tried again
WORST_S = 600.0  # for which one is not that has ended engines, after twice as long each time
AVOIDED_S = 600.0  # and for which the model is loaded in another way, where there is one
LESS = "Use a smaller model, engine.context or engine.sequences"  # where memory is short

Attempt = tuple[str, ModelSpec | None]
"""A model, and how it was to be loaded; None: that could not be made ready."""

_NEVER = (-math.inf, FAILED_S, Exception())  # of attempts that have not failed
_OUTSIDE = (signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
SOONER, SOONEST = 500, 1000  # of the kernel's points: half of all memory more, and the most
log = logging.getLogger(__name__)


class Failures:
    """Remembers each attempt by itself: what fails on a GPU may be loaded without."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self._known: dict[Attempt, tuple[float, float, Exception]] = {}  # when, for how long, why

    def note(self, attempt: Attempt, why: Exception, *, fatal: bool = False) -> None:
        """Record that it failed, with a MemoryError for want of memory.

        `fatal`: and ended the engine.
        """
        wait_s = self._known.get(attempt, _NEVER)[1]
        wait_s = min(2.0 * wait_s, WORST_S) if fatal else wait_s
        self._known[attempt] = self._clock(), wait_s, why

    def forget(self, attempt: Attempt) -> None:
        """Forget the failures of an attempt that has worked."""
        self._known.pop(attempt, None)

    def check(self, attempt: Attempt) -> None:
        """Raise Unavailable where it is too soon to try again."""
        failed_s, wait_s, why = self._known.get(attempt, _NEVER)
        left_s = failed_s + wait_s - self._clock()
        if left_s > 0.0:
            raise _refusal(attempt[0], why, left_s) from why

    def avoids(self, attempt: Attempt) -> bool:
        """Return whether the model had better be loaded in another way."""
        return self._clock() < self._known.get(attempt, _NEVER)[0] + AVOIDED_S


def _refusal(model: str, why: Exception, left_s: float) -> Unavailable:
    message = f"{model} could not be loaded: {why}"
    if isinstance(why, DamagedFile):  # it does not mend itself
        return Unavailable(message, retry_after_s=None, code="model_damaged")
    if isinstance(why, MemoryError):
        return Unavailable(f"{message}. {LESS}", retry_after_s=left_s, code="out_of_memory")
    advice = "if nothing else explains it, `edge-rt models verify` tells whether a file is damaged"
    return Unavailable(f"{message}; {advice}", retry_after_s=left_s, code="model_load_failed")


@dataclass(frozen=True)
class ExitReason:
    """`why` is for people. The engine was at work for `requests`, by their ids.

    Ended from `outside`, whatever it did is not the reason.
    """

    why: str
    requests: frozenset[int] = frozenset()
    outside: bool = False
    short_of_memory: bool = False


class CrashDiagnosis:
    """Finds out why an engine ended; made when that engine is started."""

    def __init__(self, root: Path = Path("/")) -> None:
        """`root` is where `proc` and `sys` lie."""
        self._group, self._vmstat = ControlGroup(root), root / "proc" / "vmstat"
        self._before = self._out_of_memory()

    def exit_reason(self, code: int, doing: Doing) -> ExitReason:
        """Return why an engine ended that the front did not end.

        The kernel kills without a word what takes too much memory, but counts it.
        """
        if -code == signal.SIGKILL and self._out_of_memory() > self._before:
            why = "memory was short and the kernel killed it"
            return ExitReason(why, doing.requests, short_of_memory=True)
        outside = -code in _OUTSIDE
        why = f"{ended(code)}, from outside" if outside else ended(code)
        return ExitReason(why, doing.requests, outside)

    def _out_of_memory(self) -> int:
        """Return how often the kernel has killed for memory.

        Processes of this service count, or else all.
        """
        if (own := self._group.kills()) is not None:
            return own
        with suppress(OSError, ValueError):
            for line in self._vmstat.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        return 0


def ended(code: int) -> str:
    """Return an exit code for people."""
    if code >= 0:
        return f"exit {code}"
    named = -code in signal.Signals.__members__.values()  # not all of real time are
    return f"signal {signal.Signals(-code).name if named else -code}"


class CheckpointMemory:
    """Memory of the front's that holds checkpoints, at most `most_bytes`; 0: none."""

    def __init__(self, most_bytes: int = 0) -> None:
        self._most = most_bytes
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """The descriptor that engines get; -1: there is no such memory."""
        if self._fd is None:
            self._fd = -1
            try:
                self._fd = Checkpoints.shared(self._most) if self._most else -1
            except OSError as error:
                log.warning(
                    "answers under way will be read again if the engine is killed: %s", error
                )
        return self._fd

    @property
    def left_bytes(self) -> int:
        """The bytes by which it may still grow, with a copy of all content under way."""
        if self._fd is None:
            return 2 * self._most
        return 0 if self._fd < 0 else max(0, 2 * self._most - os.fstat(self._fd).st_blocks * 512)

    def clear(self) -> None:
        """Forget all that the last engine has left, which is gone."""
        if self._fd is None or self._fd < 0:
            return
        try:
            Checkpoints.clear(self._fd)
        except OSError:
            self.close()  # the next one gets another

    def close(self) -> None:
        """Give it back."""
        if self._fd is not None and self._fd >= 0:
            os.close(self._fd)
        self._fd = None


async def spawn(command: Sequence[str], *descriptors: int) -> Process:
    """Start `command` with `descriptors` as its last arguments, -1 for a missing one.

    Raises OSError.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        *map(str, descriptors),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        cwd="/",  # python -m would look for modules in the working directory first
        pass_fds=[fd for fd in descriptors if fd >= 0],
    )
    with suppress(OSError, ValueError):  # have the kernel kill it first where memory is short
        own = int(Path("/proc/self/oom_score_adj").read_text())
        score = min(max(0, own) + SOONER, SOONEST)
        Path(f"/proc/{process.pid}/oom_score_adj").write_text(str(score))
    return process


async def end(process: Process, grace_s: float) -> int:
    """Wait for `process`, with force after `grace_s`; gives its exit code."""
    try:
        return await asyncio.wait_for(process.wait(), grace_s)
    except asyncio.TimeoutError:
        kill(process)
        return await process.wait()


def kill(process: Process) -> None:
    """Kill a process, unless it is gone."""
    with suppress(ProcessLookupError):  # it went just now
        process.kill()
