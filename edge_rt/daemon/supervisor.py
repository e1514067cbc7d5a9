"""Keeping one engine process alive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from edge_rt.daemon.pause import Pause
from edge_rt.engine.client import EngineClient
from edge_rt.errors import EngineError, ProtocolError, Unavailable

log = logging.getLogger(__name__)

HELLO_S = 30.0  # for the engine to import its libraries and say hello
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
STEADY_S = 30.0  # an engine that lived this long starts the back-off anew
GRACE_S = 5.0  # for a polite exit before SIGKILL

ENGINE = (sys.executable, "-m", "edge_rt.engine.worker")
OFFLINE = (sys.executable, "-m", "edge_rt.offline", "edge_rt.engine.worker")


class Supervisor:
    """Starts the engine, starts it again when it dies, and hands out the live connection."""

    def __init__(
        self,
        command: Sequence[str] = ENGINE,
        greet: Callable[[EngineClient], None] = lambda client: None,
        *,
        hello_s: float = HELLO_S,
        grace_s: float = GRACE_S,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`command` gets the number of its socket's descriptor as its last argument.

        `greet` is called with each new connection before anybody else has it. `pause` lets seconds
        pass between one engine's end and the next one's start.
        """
        self.restarts = 0
        self._command = command
        self._greet = greet
        self._hello_s = hello_s
        self._grace_s = grace_s
        self._pause = pause
        self._client: EngineClient | None = None
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
        return self._live()

    def start(self) -> None:
        """Start the engine in the background."""
        self._task = asyncio.create_task(self._keep(), name="engine supervisor")

    async def stop(self) -> None:
        """Shut the engine down, by force if it does not go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            self._client.shut_down()
        if self._process is not None:
            await _end(self._process, self._grace_s)

    async def client(self, wait_s: float = 15.0) -> EngineClient:
        """The live connection, waited for if need be; raises Unavailable after `wait_s`."""
        try:
            return await asyncio.wait_for(self._wait(), wait_s)
        except asyncio.TimeoutError:
            raise Unavailable(
                "the engine does not start; the daemon's log says why", retry_after_s=5.0
            ) from None

    async def _wait(self) -> EngineClient:
        async with self._changed:
            await self._changed.wait_for(lambda: self._live() is not None)
            client = self._live()
            assert client is not None
            return client

    def _live(self) -> EngineClient | None:
        client = self._client
        return client if client is not None and not client.lost.is_set() else None

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        while True:
            born = loop.time()
            try:
                await self._one_life()
            except Exception:  # whatever it is, the next engine may have better luck
                log.exception("the engine could not be kept")
            if loop.time() - born > STEADY_S:
                wait_s = FIRST_WAIT_S
            self.restarts += 1
            await self._pause(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _one_life(self) -> None:
        """One engine from its birth to its death."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    cwd="/",  # python -m would look for modules in the working directory first
                    pass_fds=(theirs.fileno(),),
                )
            client = await EngineClient.connect(ours, self._hello_s)
            self._greet(client)
        except (OSError, EngineError, ProtocolError) as error:
            log.error("the engine did not start: %s", error)
            ours.close()
            if self._process is not None:
                await _end(self._process, self._grace_s)
            return
        await self._publish(client)
        await client.lost.wait()
        await self._publish(None)
        log.error(
            "the engine stopped (%s); starting it again", await _end(self._process, self._grace_s)
        )

    async def _publish(self, client: EngineClient | None) -> None:
        async with self._changed:
            self._client = client
            self._changed.notify_all()


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> str:
    """Wait for `process`, with force after `grace_s`; says how it ended."""
    try:
        code = await asyncio.wait_for(process.wait(), grace_s)
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):  # it went just now
            process.kill()
        code = await process.wait()
    return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
