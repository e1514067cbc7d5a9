"""The page: its files, which hold nothing secret and need no key, and GET /edge/v1/events."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
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

PERIOD_S = 2.0
FOLDER = Path(__file__).with_name("files")
BELOW = "/ui/"
_SCRIPT = "text/javascript"
MEDIA_TYPES = {  # of the files beside the page itself
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    **{
        f"{name}.js": _SCRIPT
        for name in ("page", "board", "chart", "chat", "history", "markdown", "caps", "net")
    },
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


class Events:
    """Stream what the page shows, beginning with `hello` and the client's rights.

    A snapshot comes at once and every two seconds until the daemon is about to end. A listener
    whose key is removed, or may do something else now, hears nothing more.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._making = asyncio.Lock()
        self._latest, self._made_s = b"", -math.inf  # the snapshot, and when it was made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one listener; raises RequestError for any query."""
        whole_numbers(scope)
        await unless_gone(self._tell(exchange_of(scope).rights, EventStream(send)), receive)

    async def _tell(self, rights: Rights, out: EventStream) -> None:
        await out.start()
        cards = self._context.service.cards()
        models = [card.id for card in cards if card.kind == "language"]
        may = rights.generate, rights.administer
        await out.events([PageHello(self._context.version, PERIOD_S, *may, models)])
        while rights.holds():
            await out.encoded(await self._snapshot())
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._context.ending.wait(), PERIOD_S)
                break
        await out.encoded(b"", more=False)

    async def _snapshot(self) -> bytes:
        """Return what is shown now, at most half a period old: listeners share what is made."""
        async with self._making:
            if self._context.monotonic() - self._made_s > PERIOD_S / 2:
                told = await snapshot(self._context.service, self._context.clock())
                self._latest = b"data: " + msgspec.json.encode(told) + b"\n\n"
                self._made_s = self._context.monotonic()
            return self._latest


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
