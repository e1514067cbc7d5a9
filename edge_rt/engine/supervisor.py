"""Keeping one engine process alive."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial

from edge_rt.core.clock import Pause
from edge_rt.core.errors import EngineError, EngineStopped, ProtocolError, Unavailable
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.hang_detector import HangDetector
from edge_rt.engine.process import CheckpointMemory, CrashDiagnosis, ExitReason, end, kill, spawn

log = logging.getLogger(__name__)

HELLO_S = 30.0  # for the engine to import its libraries and say hello; twice as long each time
LONGEST_HELLO_S = 240.0
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
OUTSIDE_WAIT_S = 1.0  # the longest where engines are ended from outside as they start
STEADY_S = 30.0  # an engine that lived this long starts the back-off anew
NONE_S = 5.0  # after which one who got no engine may ask again
GRACE_S = 5.0  # for a polite exit before SIGKILL

SIMULATED_GPU = "simulated-gpu"  # an argument behind these; see the engine's worker
RPC = "rpc="  # the beginning of one that names another board
ENGINE = (sys.executable, "-m", "edge_rt.engine.worker")
OFFLINE = (sys.executable, "-m", "edge_rt.core.system.process", "edge_rt.engine.worker")


class Supervisor:
    """Starts the engine, starts it again when it dies, and hands out the live connection."""

    def __init__(
        self,
        command: Sequence[str] = ENGINE,
        greet: Callable[[EngineClient], None] = lambda client: None,
        *,
        hang_detector: HangDetector | None = None,
        on_exit: Callable[[ExitReason], None] = lambda exit_reason: None,
        diagnosis: Callable[[], CrashDiagnosis] = CrashDiagnosis,
        hello_s: float = HELLO_S,
        grace_s: float = GRACE_S,
        pause: Pause = asyncio.sleep,
        checkpoints: CheckpointMemory | None = None,
    ) -> None:
        """`command` gets the descriptors of socket, heartbeat and `checkpoints` as last arguments.

        `greet` is called with each new connection first, `on_exit` with the reason of an engine's
        end, which `diagnosis` finds out, `hang_detector` notices engines that hang, and `pause`
        lets seconds pass until the next start.
        """
        self.restarts = 0
        self.exit_reason: ExitReason | None = None  # of the last engine that was lost
        self._command = command
        self._greet = greet
        self._hang_detector = hang_detector or HangDetector(lambda client, doing: 0.0)
        self._on_exit = on_exit
        self._diagnosis = diagnosis
        self._hello_s = hello_s
        self._grace_s = grace_s
        self._pause = pause
        self._checkpoints = checkpoints or CheckpointMemory()
        self._failed_start: ExitReason | None = None  # of the engine that was last to start
        self._client: EngineClient | None = None
        self._stopping = False
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The engine's process id, None while there is no engine."""
        return self._client.hello.pid if self._client and self._client.hello else None

    @property
    def current(self) -> EngineClient | None:
        """The live connection, None while there is none."""
        client = self._client
        return client if client is not None and not client.lost.is_set() else None

    @property
    def gpus(self) -> Sequence[OffloadDevice]:
        """Those that the engine finds; none while there is no engine."""
        return self.current.gpus if self.current else ()

    def start(self) -> None:
        """Start the engine in the background."""
        self._task = asyncio.create_task(self._keep(), name="engine supervisor")

    async def stop(self) -> None:
        """Shut the engine down, by force if it does not go; callers that wait for one are told."""
        self._stopping = True
        async with self._changed:
            self._changed.notify_all()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            self._client.shut_down()
        if self._process is not None:
            await end(self._process, self._grace_s)
        self._checkpoints.close()

    async def client(self, wait_s: float = HELLO_S + LONGEST_WAIT_S) -> EngineClient:
        """Return the live connection, waited for if need be; raises Unavailable after `wait_s`."""
        try:
            return await asyncio.wait_for(self._wait(), wait_s)
        except asyncio.TimeoutError:
            raise _no_engine(self._failed_start) from None

    async def _wait(self) -> EngineClient:
        async with self._changed:
            await self._changed.wait_for(lambda: self._stopping or self.current is not None)
            client = self.current
            if client is None:
                raise EngineStopped("the daemon stopped before the answer was begun")
            return client

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        while True:
            born, outside = loop.time(), False
            try:
                exit_reason = await self._one_life()
                outside = exit_reason is not None and exit_reason.outside
            except Exception:  # whatever it is, the next engine may have better luck
                log.exception("the engine could not be kept")
                if self._process is not None:
                    await end(self._process, 0.0)
            if loop.time() - born > STEADY_S or (outside and self._failed_start is None):
                wait_s = FIRST_WAIT_S
            if not outside:  # they may be what ended it
                self._checkpoints.clear()
            self.restarts += 1
            await self._pause(wait_s)
            wait_s = min(2 * wait_s, OUTSIDE_WAIT_S if outside else LONGEST_WAIT_S)

    async def _one_life(self) -> ExitReason | None:
        """Keep one engine from its birth to its death; return why it ended, None: not known."""
        ours, theirs = socket.socketpair()
        page = Heartbeat.shared()
        beat, diagnosis = Heartbeat(page), self._diagnosis()
        try:
            with theirs:
                self._process = process = await spawn(
                    self._command, theirs.fileno(), page, self._checkpoints.fd
                )
            client = await EngineClient.connect(ours, self._hello_s)
            client.kill, client.beat = partial(kill, process), beat
            self._greet(client)
        except (OSError, EngineError, ProtocolError) as error:
            ours.close()
            self._failed_start = exit_reason = await self._end_failed_start(error, diagnosis, beat)
            if exit_reason is not None:
                self._on_exit(exit_reason)
            else:  # slow storage or a busy processor; the next one would be as slow
                self._hello_s = min(2 * self._hello_s, LONGEST_HELLO_S)
            log.error("the engine did not start: %s", exit_reason.why if exit_reason else error)
            return exit_reason
        finally:
            os.close(page)
        self._failed_start = None
        await self._publish(client)
        watch = asyncio.create_task(self._hang_detector.keep(client, beat))
        watch.add_done_callback(_tell_fault)
        try:
            await client.lost.wait()
            await self._publish(None)
            code = await end(process, self._grace_s)
            exit_reason = client.termination or diagnosis.exit_reason(code, beat.doing)
            self.exit_reason = exit_reason
            self._on_exit(exit_reason)
            client.exit_reason.set_result(exit_reason)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            if not client.exit_reason.done():
                client.exit_reason.set_result(ExitReason("the daemon let go of it"))
        log.error("the engine stopped (%s); starting it again", exit_reason.why)
        return exit_reason

    async def _end_failed_start(
        self, error: Exception, diagnosis: CrashDiagnosis, beat: Heartbeat
    ) -> ExitReason | None:
        """Leave nothing of an engine that did not start; None where only `error` tells why."""
        if self._process is None:
            return None
        gone = isinstance(error, EngineLost)
        code = await end(self._process, self._grace_s if gone else 0.0)
        if not gone:
            return None
        self.exit_reason = diagnosis.exit_reason(code, beat.doing)
        return self.exit_reason

    async def _publish(self, client: EngineClient | None) -> None:
        async with self._changed:
            self._client = client
            self._changed.notify_all()


def _no_engine(failed_start: ExitReason | None) -> Unavailable:
    why = f" ({failed_start.why})" if failed_start is not None else ""
    message = f"the engine does not start{why}; the daemon's log says why"
    if failed_start is not None and failed_start.short_of_memory:
        message = f"the engine does not start{why}, even without a model: end other programs, or "
        message += "raise MemoryMax= of the service or the limit of its container"
        return Unavailable(message, retry_after_s=NONE_S, code="out_of_memory")
    return Unavailable(message, retry_after_s=NONE_S)


def _tell_fault(watch: asyncio.Task[None]) -> None:
    if not watch.cancelled() and (fault := watch.exception()) is not None:
        log.error("nobody notices any more whether this engine hangs", exc_info=fault)
