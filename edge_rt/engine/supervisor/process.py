"""The process of an engine, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Sequence
from pathlib import Path

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
