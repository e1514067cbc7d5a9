"""The front's side of one engine connection."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any

from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.errors import (
    EngineBroken,
    EngineError,
    EngineStopped,
    ModelFileError,
    ProtocolError,
    RequestError,
    Unavailable,
)
from edge_rt.core.events import Delta, Embedded, Finished, Started, Tokenized
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.engine.channel import Frames, Heartbeat, encode, front_decoder
from edge_rt.engine.process import ExitReason
from edge_rt.engine.protocol import (
    BROKEN,
    VERSION,
    AskPrefixes,
    Cancel,
    Embed,
    EngineWork,
    Failed,
    Generate,
    Hello,
    Loaded,
    LoadFailed,
    LoadModel,
    ModelSpec,
    Ping,
    Pong,
    Shutdown,
    StepOutput,
    ToEngine,
    ToFront,
    Tokenize,
    Unloaded,
    UnloadModel,
)

Event = Started | Delta | Finished
TaskEvent = Started | Embedded

Request = Generate | Embed

MakeTask = Callable[[int], Embed]
"""Makes a request from its id."""


class EngineLost(EngineError):
    """The connection to the engine ended while something was under way.

    It is `useful` if a client had received anything from that engine.
    """

    def __init__(
        self,
        message: str,
        exit_reason: asyncio.Future[ExitReason] | None = None,
        *,
        useful: bool = False,
    ) -> None:
        super().__init__(message)
        self.useful = useful
        self._exit_reason = exit_reason

    async def exit_reason(self) -> ExitReason:
        """Return how the engine ended, once that is known."""
        return (
            ExitReason(str(self))
            if self._exit_reason is None
            else await asyncio.shield(self._exit_reason)
        )


class EngineClient(asyncio.Protocol):
    """Talks to one engine; many requests share the connection.

    Once it is lost, everything under way raises EngineLost and the client is of no further use.
    """

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.on_work: Callable[[EngineWork], None] = lambda work: (
            None
        )  # hears whom time was spent on
        self.beat: Heartbeat | None = None  # what the engine notes, where that is shared
        self.lost = asyncio.Event()
        self.exit_reason: asyncio.Future[ExitReason] = asyncio.get_running_loop().create_future()
        self.termination: ExitReason | None = None  # why the front ended it
        self.kill = self.close  # ends the engine
        self.was_loading = False  # whether it was lost in the middle of a load
        self.useful = False  # whether anybody has heard of it what he had asked for
        self._stopping = False
        self._ready: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._frames = Frames()
        self._decoder = front_decoder()
        self._ids = itertools.count(1)
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._requests: dict[int, Request] = {}
        self._replies: dict[int | tuple[str, str], asyncio.Future[ToFront]] = {}
        self._nudges: set[int] = set()  # of which nothing came yet

    @property
    def gpus(self) -> list[OffloadDevice]:
        """Those that the engine finds."""
        return self.hello.gpus if self.hello else []

    @staticmethod
    async def connect(sock: socket.socket, timeout_s: float = 30.0) -> EngineClient:
        """Return a client on `sock` once the engine has said hello; EngineError if it does not."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_unix_connection(EngineClient, sock=sock)
        try:
            await asyncio.wait_for(client._ready, timeout_s)
        except asyncio.TimeoutError:
            client.close()
            raise EngineError(f"the engine said nothing for {timeout_s:.0f} s") from None
        except asyncio.CancelledError:
            client.close()
            raise
        return client

    def close(self) -> None:
        """Hang up; the engine exits when it notices."""
        if self._transport is not None:
            self._transport.close()

    def terminate(self, exit_reason: ExitReason) -> None:
        """End the engine for the reason `exit_reason`."""
        if self.termination is None and not self.lost.is_set():
            self.termination = exit_reason
            self.kill()

    # --- requests

    @property
    def asked(self) -> int | None:
        """The most threads that a request asks for; None where one is for all, or there is none."""
        asked: list[int] = []
        for request in self._requests.values():
            threads = request.threads if isinstance(request, Generate) else None
            if threads is None:
                return None
            asked.append(threads)
        return max(asked, default=None)

    @property
    def working(self) -> bool:
        """Whether a request is under way."""
        return bool(self._requests)

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded, or is to be."""
        return any(isinstance(key, tuple) and key[0] == "load" for key in self._replies)

    @property
    def owes(self) -> bool:
        """Whether the engine is to answer anything."""
        return bool(self._streams or self._replies or self._nudges)

    def request(self, id: int) -> Request | None:
        """Return the request of that id, while it is under way."""
        return self._requests.get(id)

    def nudge(self) -> None:
        """Send a ping to the decode loop, which owes an answer until it sends one."""
        if not self.lost.is_set():
            self._nudges.add(nonce := next(self._ids))
            self.send(Ping(nonce))

    def generate(self, make: Callable[[int], Generate]) -> AsyncGenerator[Event, None]:
        """Yield the events of the request that `make` builds from its id, until every answer ended.

        Closing the generator cancels the request. Raises RequestError, Unavailable, EngineError or
        EngineLost.
        """
        request = make(next(self._ids))
        return self._told(request, request.n - len(request.done))

    def perform(self, make: MakeTask) -> AsyncGenerator[TaskEvent, None]:
        """Yield Started, and then the answer of the request that `make` builds; see `generate`."""
        return self._told(make(next(self._ids)), 1)

    async def _told(self, request: Request, answers: int) -> AsyncGenerator[Any, None]:
        """Yield what is told of `request` until so many answers have ended; cancel it before."""
        self._streams[request.id] = queue = asyncio.Queue[Any]()
        self._requests[request.id] = request
        try:
            self.send(request)
            while answers:
                event = await queue.get()
                if isinstance(event, Exception):
                    answers = 0
                    raise event
                answers -= not isinstance(event, (Started, Delta))
                yield event
        finally:
            del self._streams[request.id], self._requests[request.id]
            if answers and not self.lost.is_set():
                self.send(Cancel(request.id))

    async def load(self, model: str, spec: ModelSpec) -> Loaded:
        """Load a model; raises ModelFileError with the engine's reason."""
        reply = await self._ask(LoadModel(model, spec), ("load", model))
        if isinstance(reply, LoadFailed):
            raise ModelFileError(reply.message)
        assert isinstance(reply, Loaded)
        return reply

    async def unload(self, model: str) -> None:
        """Free a model; returns when its memory is free."""
        await self._ask(UnloadModel(model), ("unload", model))

    async def ping(self) -> Pong:
        """Hear from the decode loop: waits for the pass under way."""
        nonce = next(self._ids)
        reply = await self._ask(Ping(nonce), nonce)
        assert isinstance(reply, Pong)
        return reply

    async def count(
        self, model: str, backend: str, path: str, prompt: str, *, special: bool
    ) -> tuple[int, int]:
        """Return how many tokens `prompt` has for `model`, loaded or not, and how many are in KV.

        RequestError if unknown.
        """
        asked = Tokenize(next(self._ids), backend, path, prompt, special, model=model)
        told = await self._ask(asked, asked.nonce)
        assert isinstance(told, Tokenized)
        if told.tokens is None:
            raise RequestError(told.message, param="prompt")
        return len(told.tokens), told.cached

    async def tokenize(
        self,
        backend: str,
        path: str,
        text: str | list[int],
        *,
        special: bool,
        begins: bool,
        pieces: bool,
    ) -> Tokenized:
        """Return the tokens of a text, or what tokens stand for; RequestError if unknown."""
        asked = Tokenize(next(self._ids), backend, path, text, special, begins, pieces)
        told = await self._ask(asked, asked.nonce)
        assert isinstance(told, Tokenized)
        if told.tokens is None:
            param = "content" if isinstance(text, str) else "tokens"
            raise RequestError(told.message, param=param, code="invalid_value")
        return told

    async def prefixes(self, forget: Which | None = None) -> Prefixes:
        """Return what is kept of prompts, once `forget` is gone."""
        nonce = next(self._ids)
        reply = await self._ask(AskPrefixes(nonce, forget), nonce)
        assert isinstance(reply, Prefixes)
        return reply

    def shut_down(self) -> None:
        """Ask the engine to free everything and exit; what is under way raises EngineStopped."""
        self._stopping = True
        if not self.lost.is_set():
            self.send(Shutdown())

    async def _ask(self, message: ToEngine, key: int | tuple[str, str]) -> ToFront:
        future: asyncio.Future[ToFront] = asyncio.get_running_loop().create_future()
        self._replies[key] = future
        try:
            self.send(message)
            return await future
        finally:
            self._replies.pop(key, None)

    def send(self, message: ToEngine) -> None:
        """Tell the engine something; raises EngineLost if it is gone."""
        if self._transport is None or self.lost.is_set():
            raise EngineLost("the engine is gone", self.exit_reason, useful=self.useful)
        self._transport.write(encode(message))

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            self._dispatch(self._decoder.decode(body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self.was_loading = self.loading
        self._nudges.clear()
        why = "the engine stopped in the middle of a request"
        lost = EngineLost(why, self.exit_reason, useful=self.useful)
        stopped = EngineStopped("the daemon stopped before the answer was complete")
        for queue in self._streams.values():
            queue.put_nowait(stopped if self._stopping else lost)
        for future in [*self._replies.values(), self._ready]:
            if not future.done():
                future.set_exception(lost)
        if not self._ready.cancelled():
            self._ready.exception()  # seen, though nobody may be waiting for it

    def _dispatch(self, message: ToFront) -> None:
        match message:
            case StepOutput():
                if message.work is not None:
                    self.on_work(message.work)
                self.useful = self.useful or bool(message.deltas)
                for delta in message.deltas:
                    self._put(delta.id, delta)
            case Started():
                self._put(message.id, message)
            case Finished() | Embedded():
                self.useful = True
                self._put(message.id, message)
            case Failed():
                self._put(message.id, _error(message, self._stopping))
            case Hello():
                self._greet(message)
            case Loaded() | LoadFailed():
                self._reply(("load", message.model), message)
            case Unloaded():
                self._reply(("unload", message.model), message)
            case Tokenized() | Prefixes():
                self._reply(message.nonce, message)
            case Pong():
                self._nudges.discard(message.nonce)
                self._reply(message.nonce, message)

    def _greet(self, hello: Hello) -> None:
        self.hello = hello
        if hello.version == VERSION:
            self._ready.set_result(hello)
            return
        self._ready.set_exception(
            ProtocolError(f"the engine speaks version {hello.version}, not {VERSION}: reinstall")
        )
        self.close()

    def _put(self, request: int, event: Event | TaskEvent | Exception) -> None:
        queue = self._streams.get(request)
        if queue is not None:  # else it was cancelled, and this was under way
            queue.put_nowait(event)

    def _reply(self, key: int | tuple[str, str], message: ToFront) -> None:
        future = self._replies.get(key)
        if future is not None and not future.done():
            future.set_result(message)


def _error(failed: Failed, stopping: bool) -> Exception:
    if failed.code == BROKEN:
        return EngineBroken(failed.message)
    if failed.retry_after_s is not None:
        code = failed.code or "unavailable"
        return Unavailable(failed.message, retry_after_s=failed.retry_after_s, code=code)
    if failed.param is not None or failed.code is not None:
        return RequestError(failed.message, param=failed.param, code=failed.code)
    return EngineStopped(failed.message) if stopping else EngineError(failed.message)
