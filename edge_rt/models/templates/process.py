"""Chat templates, filled in by a process of their own, which is ended where it takes too long."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from edge_rt.core.chat_format import ChatFormat
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.system.child import Child
from edge_rt.models.templates.task import (
    Analysed,
    AnalysisTask,
    AnyReply,
    AnyTask,
    Filled,
    Template,
    TemplateRefusal,
    TemplateTask,
)

log = logging.getLogger(__name__)

TASK_S = 15.0  # for one task, or for the process to start; the worker limits processor time
IDLE_S = 900.0  # without a task, after which the process is ended
_MOST = 256 * 1024 * 1024  # bytes of an answer

WORKER = (sys.executable, "-m", "edge_rt.models.templates.worker")
_DECODER = msgspec.json.Decoder(AnyReply)
_LOST = (EOFError, OSError, msgspec.DecodeError)
_RETRY_S = 5.0
_GONE_S = 1.0  # for a process to end that has closed its pipes
_T = TypeVar("_T")


_TRIES = 8  # of a task whose process is killed by others
_FAULTS = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE}


class _Stopped(Exception):
    """The process gets no further, for which the task is not to blame."""


class _Crashed(_Stopped):
    """The process ended by a fault of its own; if it happens again, the task is to blame."""


class Templating:
    """Fills in one template after the other; the process is started when it is first needed."""

    def __init__(
        self,
        command: Sequence[str] = WORKER,
        *,
        task_s: float = TASK_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._child, self._task_s, self._idle_s = Child(command, _MOST), task_s, idle_s
        self._line, self._closed = asyncio.Lock(), False
        self._clients = WeakValueDictionary[str | None, asyncio.Lock]()

    async def fill(self, task: TemplateTask, client: str | None = None) -> str:
        """Return the prompt; `client` takes turns with other clients.

        Raises RequestError where the template refuses or fails on the messages or does not end,
        ModelFileError where it does what no template may, Unavailable where no process starts or
        gets anywhere, and RecursionError for messages that are nested too deeply.
        """
        told = await self._take_turn(task, client)
        assert isinstance(told, Filled)
        return told.prompt

    async def analyse(self, template: Template) -> ChatFormat:
        """Return how the model's answers are written; raises as `fill` does."""
        told = await self._take_turn(AnalysisTask(template), None)
        assert isinstance(told, Analysed)
        return told.format

    async def close(self) -> None:
        """End the process."""
        self._closed = True
        await self._child.end()

    async def _take_turn(self, task: AnyTask, client: str | None) -> Filled | Analysed:
        """Do the task, and again with another process where one was stopped or killed."""
        content, crashed, clock = _encoded(task), False, asyncio.get_running_loop().time
        until_s = clock() + self._task_s
        for left in reversed(range(_TRIES)):
            try:
                # One task of each client waits for the process, whoever came first.
                async with self._clients.setdefault(client, asyncio.Lock()), self._line:
                    return await _finished(self._do(content))
            except _Stopped as stopped:
                crashes = isinstance(stopped, _Crashed)
                if crashes and crashed:
                    raise _blamed("makes its process crash") from None
                crashed = crashed or crashes
                if not left or (left < _TRIES - 1 and clock() > until_s):
                    raise _unavailable(f"fails again and again: {stopped}") from None
        raise AssertionError  # the last try returns or raises

    async def _do(self, content: bytes) -> Filled | Analysed:
        """Return the process's answer; raises its refusal, or _Stopped where there is none."""
        if self._closed:
            raise _unavailable("was ended")
        try:
            await self._start()
            told = _DECODER.decode(await self._in_time(self._child.ask(content)))
        except _LOST:
            raise self._failure(await self._child.end(_GONE_S)) from None
        except BaseException:
            await self._child.end()
            raise
        self._child.rest(self._idle_s)
        if isinstance(told, TemplateRefusal):
            raise told.error()
        return told

    def _failure(self, ended: int | None) -> RequestError | _Stopped:
        """Return why there is no answer of a process that ended with that code."""
        if ended in _FAULTS:
            return _Crashed(f"it crashed ({ended})")
        if ended is None or (ended < 0 and ended != -signal.SIGXCPU):
            return _Stopped(f"it was ended ({ended})")
        return _blamed("takes too much memory or time")

    async def _in_time(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await asyncio.wait_for(work, self._task_s)
        except asyncio.TimeoutError:
            raise _Stopped(f"it has not ended after {self._task_s:g} s") from None

    async def _start(self) -> None:
        try:
            if not await self._child.start():
                return
        except OSError as error:  # such as too few open files
            raise _unavailable(f"does not start: {error}") from None
        try:
            await self._in_time(self._child.receive())
        except _LOST:
            ended = await self._child.end(_GONE_S)
            if ended is None or ended < 0:
                raise _Stopped(f"it was ended at its start ({ended})") from None
            raise _unavailable(
                "does not start; `python -m edge_rt.models.templates.worker` tells why"
            ) from None


async def _finished(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what comes of the work, which is not left in the middle where the caller leaves."""
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.gather(doing, return_exceptions=True)
        raise


def _blamed(what: str) -> RequestError:
    log.warning("a chat template %s", what)
    message = f"the model's chat template {what} with these messages"
    return RequestError(message, param="messages", code="template_failure")


def _unavailable(why: str) -> Unavailable:
    log.warning("the process that fills in chat templates %s", why)
    message = f"the process that fills in chat templates {why}; try again later"
    return Unavailable(message, retry_after_s=_RETRY_S)


def _encoded(task: AnyTask) -> bytes:
    try:
        return msgspec.json.encode(task)
    except (OverflowError, UnicodeEncodeError) as error:
        message = f"the messages hold what no prompt can: {error}"
        raise RequestError(message, param="messages", code="invalid_value") from None
