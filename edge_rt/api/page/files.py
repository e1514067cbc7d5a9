"""The files of the page, which hold nothing secret and need no key."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from edge_rt.api.middleware.respond import send_bytes

FOLDER = Path(__file__).with_name("files")
BELOW = "/ui/"
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
NAMES = ("page.css", "icon.svg", "page.js", "board.js", "chart.js", "chat.js", "caps.js", "net.js")
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


class PageFile:
    """Sends one file."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        kind = (b"content-type", f"{media_type(self._name)}; charset=utf-8".encode())
        body = _content(self._name)
        await send_bytes(send, body, headers=(kind, (b"vary", b"accept"), *_HEADERS))


class Root:
    """Sends the page to browsers, and to others what `other` says."""

    def __init__(self, other: ASGIApp) -> None:
        self._page, self._other = PageFile("index.html"), other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        browser = "text/html" in Headers(scope=scope).get("accept", "")
        await (self._page if browser else self._other)(scope, receive, send)


def media_type(name: str) -> str:
    """Return the media type of the file of that name."""
    return _TYPES[Path(name).suffix]


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
