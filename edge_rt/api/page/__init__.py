"""The page: its files, which hold nothing secret and need no key, and GET /edge/v1/events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import cache
from pathlib import Path

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from edge_rt.api.middleware.access import Rights
from edge_rt.api.middleware.context import Context, exchange_of
from edge_rt.api.middleware.decode import unless_gone, whole_numbers
from edge_rt.api.middleware.respond import EventStream, send_bytes
from edge_rt.api.page.snapshot import PageHello, snapshot


class Feed:
    """Makes a snapshot repeatedly while there are listeners.

    Nothing is queued: a slow listener misses the snapshots in between.
    """

    def __init__(self, make: Callable[[], Awaitable[bytes]], pause: Callable[[], Awaitable[bool]]):
        """`pause` waits from one to the next, and returns True when there is to be no other."""
        self._make, self._pause = make, pause
        self._listeners = 0
        self._maker: asyncio.Task[None] | None = None
        self._latest, self._made = b"", 0  # and how many were made
        self._next: asyncio.Future[None] | None = None  # None: there is no other

    async def listen(self) -> AsyncGenerator[bytes]:
        """Yield the latest at once, then each new one until the end; raises what making raises."""
        self._listeners += 1
        if self._maker is None or self._maker.done():
            self._made, self._next = 0, asyncio.get_running_loop().create_future()
            self._maker = asyncio.create_task(self._run())
        seen = 0
        try:
            while True:
                if self._made == seen:
                    if self._next is None:
                        return
                    # A listener that is cancelled must not cancel what the others wait for.
                    await asyncio.shield(self._next)
                else:
                    seen = self._made
                    yield self._latest
        finally:
            self._listeners -= 1
            if not self._listeners:
                await self._stop()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._latest = await self._make()
                self._made += 1
                self._tell(loop.create_future())
                if await self._pause():
                    self._tell(None)
                    return
        except Exception as error:
            if self._next is not None:
                self._next.set_exception(error)
                self._next.exception()  # it may be that nobody waits just now

    def _tell(self, following: asyncio.Future[None] | None) -> None:
        told, self._next = self._next, following
        if told is not None:
            told.set_result(None)

    async def _stop(self) -> None:
        maker, self._maker, self._next = self._maker, None, None
        if maker is not None:
            maker.cancel()
            with suppress(asyncio.CancelledError):
                await maker


PERIOD_S = 2.0


class Events:
    """Stream what the page shows, beginning with `hello` and the client's rights.

    A snapshot comes at once and every two seconds, the same to every listener, until the daemon is
    about to end. A listener whose key is removed, or may do something else now, hears nothing more.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._feed = Feed(self._snapshot, self._pause)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one listener; raises RequestError for any query."""
        whole_numbers(scope)
        await unless_gone(self._tell(exchange_of(scope).rights, EventStream(send)), receive)

    async def _tell(self, rights: Rights, out: EventStream) -> None:
        await out.start()
        await out.events([self._hello(rights)])
        async with aclosing(self._feed.listen()) as snapshots:
            async for one in snapshots:
                if not rights.holds():
                    break
                await out.encoded(one)
        await out.encoded(b"", more=False)

    def _hello(self, rights: Rights) -> PageHello:
        cards = self._context.service.cards()
        models = [card.id for card in cards if card.kind == "language"]
        version = self._context.version
        return PageHello(version, PERIOD_S, rights.generate, rights.administer, models)

    async def _snapshot(self) -> bytes:
        told = await snapshot(self._context.service, self._context.clock())
        return b"data: " + msgspec.json.encode(told) + b"\n\n"

    async def _pause(self) -> bool:
        try:
            await asyncio.wait_for(self._context.ending.wait(), PERIOD_S)
        except asyncio.TimeoutError:
            return False
        return True


FOLDER = Path(__file__).with_name("files")
BELOW = "/ui/"
_SCRIPT = "text/javascript"
MEDIA_TYPES = {  # of the files beside the page itself
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    **{f"{name}.js": _SCRIPT for name in ("page", "board", "chart", "chat", "caps", "net")},
}
# Nothing but these files runs or is shown, no other page may frame it, and forms go nowhere.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),  # a page of another version may not fit the daemon
)


async def page_file(
    name: str, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send a file of the page."""
    kind = (b"content-type", f"{MEDIA_TYPES.get(name, 'text/html')}; charset=utf-8".encode())
    await send_bytes(send, _content(name), headers=(kind, (b"vary", b"accept"), *_HEADERS))


async def root(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Say that Ollama's API is there; browsers get the page for people."""
    if "text/html" in Headers(scope=scope).get("accept", ""):
        await page_file("index.html", context, scope, receive, send)
    else:
        text = (b"content-type", b"text/plain; charset=utf-8")
        await send_bytes(send, b"Ollama is running", headers=(text,))


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
