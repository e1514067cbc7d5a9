"""Chat templates, filled in by a process of their own, which is ended where it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence

import msgspec

from edge_rt.errors import RequestError, Unavailable
from edge_rt.models.template_task import LENGTH, Filled, Refused, Task

log = logging.getLogger(__name__)

HELLO_S = 30.0  # for the process to start
TASK_S = 30.0  # for one task, of which the process gives itself few of the processor's
IDLE_S = 900.0  # without a task, after which the process is ended
_MOST = 256 * 1024 * 1024  # bytes of an answer

WORKER = (sys.executable, "-m", "edge_rt.models.templating")
_DECODER = msgspec.json.Decoder(Filled | Refused)
_LOST = (EOFError, OSError, msgspec.DecodeError, asyncio.TimeoutError)


class Templating:
    """Fills in one template after the other; the process is started when it is first needed."""

    def __init__(
        self, command: Sequence[str] = WORKER, *, task_s: float = TASK_S, idle_s: float = IDLE_S
    ) -> None:
        self._command, self._task_s, self._idle_s = command, task_s, idle_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[str]] = set()

    async def fill(self, task: Task) -> str:
        """The prompt.

        Raises RequestError where the template refuses or fails on the messages or does not end,
        ModelFileError where it does what no template may, Unavailable where no process starts, and
        RecursionError for messages that are nested too deeply.
        """
        content = _encoded(task)
        # Who leaves must not end the process in the middle of a task.
        filling = asyncio.ensure_future(self._fill(content))
        self._tasks.add(filling)
        filling.add_done_callback(self._done)
        return await asyncio.shield(filling)

    async def close(self) -> None:
        """End the process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()

    def _done(self, task: asyncio.Task[str]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # who asked may have left

    async def _fill(self, content: bytes) -> str:
        async with self._turn:
            process = await self._started()
            try:
                told = await asyncio.wait_for(_ask(process, content), self._task_s)
            except BaseException as error:
                await self._end()
                if isinstance(error, _LOST):
                    raise self._failure(error) from None
                raise
            self._rest()
            if isinstance(told, Refused):
                raise told.error()
            return told.prompt

    def _failure(self, error: BaseException) -> RequestError:
        late = isinstance(error, asyncio.TimeoutError)
        why = f"takes longer than {self._task_s:g} s" if late else "takes too much memory or time"
        log.warning("a chat template %s: the process that fills it in is ended", why)
        message = f"the model's chat template {why} with these messages"
        return RequestError(message, param="messages", code="template_failure")

    async def _started(self) -> Process:
        if self._idle is not None:
            self._idle.cancel()
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd="/"
        )
        try:
            await asyncio.wait_for(_answer(self._process), HELLO_S)
        except _LOST:
            await self._end()
            raise Unavailable(
                "the process that fills in chat templates does not start; "
                "`python -m edge_rt.models.templating` tells why",
                retry_after_s=5.0,
            ) from None
        return self._process

    def _rest(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._leave)

    def _leave(self) -> None:
        """Nothing was to be done for long."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()  # at whose end it ends

    async def _end(self) -> None:
        process, self._process = self._process, None
        if self._idle is not None:
            self._idle.cancel()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _encoded(task: Task) -> bytes:
    try:
        return msgspec.json.encode(task)
    except (OverflowError, UnicodeEncodeError) as error:
        message = f"the messages hold what no prompt can: {error}"
        raise RequestError(message, param="messages", code="invalid_value") from None


async def _ask(process: Process, content: bytes) -> Filled | Refused:
    assert process.stdin is not None
    process.stdin.write(len(content).to_bytes(LENGTH, "big") + content)
    await process.stdin.drain()
    return _DECODER.decode(await _answer(process))


async def _answer(process: Process) -> bytes:
    assert process.stdout is not None
    length = int.from_bytes(await process.stdout.readexactly(LENGTH), "big")
    if length > _MOST:
        raise EOFError
    return await process.stdout.readexactly(length)
