"""The front's side of the companion: one process, one task at a time, paced from outside."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from edge_rt.core.clock import Pause
from edge_rt.core.errors import EngineError, RequestError, Unavailable
from edge_rt.core.system.child import Child
from edge_rt.core.system.process import own_bytes, stat_fields
from edge_rt.speech.protocol import (
    MOST_BYTES,
    NOT_INSTALLED,
    Reply,
    Segment,
    SpeechRefusal,
    Spoken,
    Task,
    Transcript,
)

log = logging.getLogger(__name__)

PERIOD_S = 0.1  # of computing, or of rest, at a time
LEAST_REST_S = 0.001  # less is not worth the signals
LONGEST_REST_S = 0.5  # after which the duty is looked at again
STILL_S = 30.0  # of work without any use of the processor are a hang
RETRY_S = 1.0  # after its end another one can be asked
_GONE_S = 1.0  # for a process to end that has closed its pipes
_RAN = slice(11, 15)  # of proc_pid_stat(5): ticks of itself and its children, user and system
_TICKS = os.sysconf("SC_CLK_TCK")  # a second

_MODULE = "edge_rt.speech.worker"
COMPANION = (sys.executable, "-m", _MODULE)
OFFLINE = (sys.executable, "-m", "edge_rt.core.system.process", _MODULE)
Worked = Callable[[float, float, bool], None]
"""Hears of each span of time, in seconds, whether the companion was let work in it."""


class Companion:
    """Starts the process when it is needed, and ends it when it was idle or its client has left.

    A duty below 1 stops the whole process for a part of the time, whatever library computes.
    """

    def __init__(
        self,
        command: Sequence[str] = COMPANION,
        *,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`idle_s` without a task end the process.

        `clock` is in seconds, and `pause` lets them pass.
        """
        self.busy_s = 0.0  # in which it was let work, since the start
        self.running = 0  # tasks
        self._child, self._idle_s = Child(command, MOST_BYTES, stderr=None), idle_s
        self._clock, self._pause = clock, pause
        self._threads, self._duty = 1, 1.0
        self._lock = asyncio.Lock()
        self._models: set[str] = set()  # in memory
        self._decoder = msgspec.msgpack.Decoder(Reply)

    @property
    def pid(self) -> int | None:
        """Its process id, None while there is none."""
        return self._child.pid

    @property
    def cpu_s(self) -> float:
        """Processor time of the process and of its children that have ended; 0 while none runs."""
        with suppress(OSError):
            fields = stat_fields(Path(f"/proc/{self.pid}/stat").read_bytes())
            return sum(map(int, fields[_RAN])) / _TICKS
        return 0.0

    @property
    def idle_bytes(self) -> int:
        """The memory of its own that `spare` would free; 0 while it has work."""
        with suppress(OSError):
            if self.pid is not None and not self.running:
                return own_bytes(Path(f"/proc/{self.pid}/statm"))
        return 0

    def limit(self, threads: int, duty: float) -> None:
        """Have the next task use `threads`, and work for `duty`'s share of the time from now on."""
        self._threads, self._duty = threads, duty

    def holds(self, model: str) -> bool:
        """Return whether a model is in its memory."""
        return self.pid is not None and model in self._models

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Keep others' tasks from running while the block does."""
        async with self._lock:
            self.running = 1
            try:
                yield
            finally:
                self.running = 0

    async def run(
        self, make: Callable[[int], Task], worked: Worked
    ) -> AsyncGenerator[Segment | Transcript | Spoken]:
        """Yield what comes of the task that `make` builds of a number of threads, in a turn.

        Closing the generator ends the process. Raises RequestError where the task is at fault,
        Unavailable where the process ended.
        """
        task, complete = make(self._threads), False
        pacing = None
        try:
            if await self._child.start():
                self._models.clear()
            pacing = asyncio.create_task(self._pace(worked))
            self._models.add(task.model)
            await self._child.send(msgspec.msgpack.encode(task))
            while True:
                reply = self._decoder.decode(await self._child.receive())
                complete = not isinstance(reply, Segment)
                if complete:
                    await _ended(pacing)
                if isinstance(reply, SpeechRefusal):
                    raise _refusal(reply)
                yield reply
                if complete:
                    return
        except (EOFError, OSError, msgspec.DecodeError) as error:
            log.error(
                "the process for speech ended (%s): %r", await self._child.end(_GONE_S), error
            )
            raise Unavailable(
                "The process that turns speech into text and text into speech ended in the middle "
                "of this request; send it again.",
                retry_after_s=RETRY_S,
                code="speech_lost",
            ) from None
        finally:
            if pacing is not None:
                await _ended(pacing)
            if complete:
                self._child.rest(self._idle_s)
            else:
                await self.close()

    async def spare(self) -> bool:
        """End the process unless it has work; return whether there was one to end."""
        if self.pid is None or self.running:
            return False
        await self.close()
        return True

    async def close(self) -> None:
        """End the process."""
        self._models.clear()
        await self._child.end()

    async def _pace(self, worked: Worked) -> None:
        """Let the process work for the duty's share of the time, until this is cancelled."""
        begin_s, stopped = self._clock(), False
        still_s, cpu_s = 0.0, self.cpu_s

        def tell() -> float:
            nonlocal begin_s, still_s, cpu_s
            before_s, begin_s = begin_s, self._clock()
            worked(before_s, begin_s, not stopped)
            if not stopped:
                self.busy_s += begin_s - before_s
                still_s = still_s + begin_s - before_s if self.cpu_s == cpu_s else 0.0
                cpu_s = self.cpu_s
            if still_s > STILL_S:
                log.error("the process for speech did nothing for %.0f s", still_s)
                self._child.signal(signal.SIGKILL)
            return begin_s - before_s

        try:
            while True:
                await self._pause(PERIOD_S)
                worked_s, rested_s = tell(), 0.0
                # After t seconds of work, t·(1/duty - 1) seconds of rest are due.
                while (left_s := self._rest_s(worked_s) - rested_s) > LEAST_REST_S:
                    if not stopped:
                        self._child.signal(signal.SIGSTOP)
                        stopped = True
                    await self._pause(min(left_s, LONGEST_REST_S))
                    rested_s += tell()
                if stopped:
                    self._child.signal(signal.SIGCONT)
                    stopped = False
        finally:
            tell()
            if stopped:
                self._child.signal(signal.SIGCONT)

    def _rest_s(self, worked_s: float) -> float:
        return worked_s * (1.0 / self._duty - 1.0) if self._duty else math.inf


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _refusal(refused: SpeechRefusal) -> Exception:
    if refused.param is not None:
        return RequestError(refused.message, param=refused.param, code=refused.code)
    if refused.code == NOT_INSTALLED:
        return Unavailable(refused.message, retry_after_s=None, code=refused.code)
    return EngineError(refused.message)
