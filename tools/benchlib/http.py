"""A bare HTTP/1.1 client over a Unix socket or loopback TCP that times every piece it reads.

It does nothing with the bytes while they come, so that it takes next to no CPU time from the
server it measures: what they mean is worked out afterwards (see `chat`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchlib import BenchError


@dataclass(frozen=True)
class Address:
    """Where a server listens: `path` of a Unix socket, else `port` of a host."""

    path: str | None = None
    port: int | None = None
    host: str = "127.0.0.1"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; raises OSError when nobody listens."""
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection(self.host, self.port)


@dataclass(frozen=True)
class Response:
    """A response with the time at which each piece of its body was there."""

    status: int
    sent_s: float  # the request began, before connecting
    pieces: tuple[tuple[float, bytes], ...]

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(piece for _, piece in self.pieces)


async def fetch(
    address: Address,
    method: str,
    path: str,
    body: object = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Response:
    """One request on a connection of its own; `body` is sent as JSON.

    Raises OSError when nobody listens and BenchError when the answer is not HTTP.
    """
    request = _request(method, path, body)
    sent_s = clock()
    reader, writer = await address.open()
    try:
        writer.write(request)
        status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        return Response(status, sent_s, await _pieces(reader, headers, clock))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
        raise BenchError(f"{method} {path}: the server's answer broke off ({error!r})") from error
    finally:
        writer.close()


async def post(address: Address, path: str, body: object) -> Response:
    """Return what comes of `body`; raise BenchError where the status is not 200."""
    response = await fetch(address, "POST", path, body)
    if response.status != 200:
        raise BenchError(f"POST {path}: status {response.status}: {_shown(response.body)}")
    return response


async def get_json(address: Address, path: str) -> object:
    """The JSON document at `path`; raises BenchError for any status but 200."""
    response = await fetch(address, "GET", path)
    if response.status != 200:
        raise BenchError(f"GET {path}: status {response.status}: {_shown(response.body)}")
    return json.loads(response.body)


def _request(method: str, path: str, body: object) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = raw.decode("latin-1").strip().split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split()[1]), {key.strip().lower(): value.strip() for key, _, value in fields}


async def _pieces(
    reader: asyncio.StreamReader, headers: dict[str, str], clock: Callable[[], float]
) -> tuple[tuple[float, bytes], ...]:
    if "chunked" not in headers.get("transfer-encoding", ""):
        length = headers.get("content-length")
        content = await (reader.read() if length is None else reader.readexactly(int(length)))
        return ((clock(), content),)
    pieces: list[tuple[float, bytes]] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunk = await reader.readexactly(size + 2)
        pieces.append((clock(), chunk[:-2]))
    return tuple(pieces)


def _shown(body: bytes) -> str:
    return body[:300].decode(errors="replace")
