"""The process of an engine, and the memory in which engines keep checkpoints."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

from edge_rt.engine.kv.checkpoints import Checkpoints

log = logging.getLogger(__name__)


class CheckpointMemory:
    """At most so many bytes; without any where that is 0 or cannot be."""

    def __init__(self, most_bytes: int = 0) -> None:
        self._most = most_bytes
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """Its descriptor, for engines; -1: there is none."""
        if self._fd is None:
            self._fd = self._opened()
        return self._fd

    @property
    def left_bytes(self) -> int:
        """How many more than now they may come to be, with a copy of all that is on its way."""
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

    def _opened(self) -> int:
        if not self._most:
            return -1
        try:
            return Checkpoints.shared(self._most)
        except OSError as error:
            log.warning("answers under way will be read again if the engine is killed: %s", error)
            return -1


SOONER, SOONEST = 500, 1000  # of the kernel's points: half of all memory more, and the most


async def spawn(command: Sequence[str], *descriptors: int) -> Process:
    """Start `command` with `descriptors` as its last arguments, -1 for one that there is not.

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
    _goes_first(process.pid)
    return process


async def end(process: Process, grace_s: float) -> int:
    """Wait for `process`, with force after `grace_s`; gives its exit code."""
    try:
        return await asyncio.wait_for(process.wait(), grace_s)
    except asyncio.TimeoutError:
        kill(process)
        return await process.wait()


def kill(process: Process) -> None:
    """Have it gone at once."""
    with contextlib.suppress(ProcessLookupError):  # it went just now
        process.kill()


def _goes_first(pid: int) -> None:
    """Where memory is short, the kernel is to kill that process before this one."""
    with contextlib.suppress(OSError, ValueError):
        own = int(Path("/proc/self/oom_score_adj").read_text())
        score = min(max(0, own) + SOONER, SOONEST)
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(score))
