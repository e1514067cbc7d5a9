"""Many clients of one daemon at once: polite ones, and others that are slow or rude."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

WAIT_S = 60.0  # for anything that a daemon may do; who waits longer takes it for hung
NOBODY = 65_534  # the user that rude clients are, where we are root
_CUT_OFF_S = 45.0  # after which a rude client leaves by itself
_PROMPTS = ("Name a river.", "Tell me about the moon.", "What is a lamp?", "Count to three.")

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_POST = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Seen:
    """What clients saw: answers by their status, and what was no proper answer, in words."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    faults: Counter[str] = field(default_factory=Counter[str])
    rude: Counter[str] = field(default_factory=Counter[str])  # what was done, by its kind


class Crowd:
    """Clients of the daemon at the Unix socket `path`, of whom `share` are rude."""

    def __init__(self, path: str, clients: int, share: float, seed: int = 1) -> None:
        self.seen = Seen()
        self._path, self._random = path, random.Random(seed)
        self._rude = round(clients * share)
        self._polite = clients - self._rude
        self._kinds: list[Callable[[Client], Coroutine[Any, Any, None]]] = [
            self._silent,
            self._drips_its_head,
            self._drips_its_body,
            self._does_not_read,
            self._leaves,
            self._talks_nonsense,
            self._sends_too_much,
            self._asks_without_end,
            self._half_closes,
        ]

    async def run(self, seconds: float) -> None:
        """Run all clients for `seconds`; requests under way at the end are still answered."""
        until = asyncio.get_running_loop().time() + seconds
        polite = [self._again(self._ask, until, 3.0) for _ in range(self._polite)]
        rude = [self._again(self._misbehave, until, 1.0) for _ in range(self._rude)]
        tasks = [asyncio.create_task(told) for told in rude]
        await asyncio.gather(*polite)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _again(
        self, act: Callable[[], Coroutine[Any, Any, None]], until: float, pause_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._random.uniform(0, pause_s))
        while loop.time() < until:
            await act()
            await asyncio.sleep(self._random.uniform(0.1, pause_s))

    # --- polite

    async def _ask(self) -> None:
        """One request; who is told to come again later does not come sooner."""
        try:
            status, headers, body = await asyncio.wait_for(self._request(), WAIT_S)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
            self.seen.faults[f"{type(error).__name__}: {error}"[:200]] += 1
            return
        self.seen.statuses[status] += 1
        if status in (429, 503):
            if "retry-after" not in headers:
                self.seen.faults[f"{status} without Retry-After"] += 1
            await asyncio.sleep(min(5.0, float(headers.get("retry-after", 1))))
        elif status != 200:
            self.seen.faults[f"{status}: {body[:150].decode(errors='replace')}"] += 1
        elif "event-stream" in headers["content-type"] and not body.endswith(b"data: [DONE]\n\n"):
            self.seen.faults["a stream without an end"] += 1

    async def _request(self) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await self._connect()
        try:
            writer.write(self._some_request())
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            return int(first.split()[1]), headers, await _body(reader, headers)
        finally:
            writer.close()

    def _some_request(self) -> bytes:
        stream, text = self._random.random() < 0.5, self._random.choice(_PROMPTS)
        kind = self._random.randrange(4)
        if kind == 0:
            return request(
                "GET", self._random.choice(["/v1/models", "/metrics", "/edge/v1/status"])
            )
        asked: dict[str, object] = {"max_tokens": 4, "stream": stream, "temperature": 0.8}
        if kind == 1:
            return request("POST", "/v1/completions", asked | {"prompt": text})
        messages = [{"role": "user", "content": text}]
        return request("POST", "/v1/chat/completions", asked | {"messages": messages})

    # --- rude

    async def _misbehave(self) -> None:
        kind = self._random.choice(self._kinds)
        self.seen.rude[kind.__name__.strip("_")] += 1
        with suppress(OSError, EOFError, ValueError, asyncio.TimeoutError):
            client = await self._connect(rude=True)
            try:
                await asyncio.wait_for(kind(client), _CUT_OFF_S)
            finally:
                client[1].transport.abort()

    async def _silent(self, client: Client) -> None:
        await _until_closed(client)

    async def _drips_its_head(self, client: Client) -> None:
        await _drip(client, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"x-slow: x\r\n" * 50)

    async def _drips_its_body(self, client: Client) -> None:
        client[1].write(_POST % 99_999)
        await _drip(client, b" " * 200)

    async def _does_not_read(self, client: Client) -> None:
        client[1].write(_LONG)
        await asyncio.sleep(self._random.uniform(1, 10))

    async def _leaves(self, client: Client) -> None:
        client[1].write(_LONG)
        await client[0].read(100)

    async def _talks_nonsense(self, client: Client) -> None:
        client[1].write(self._random.randbytes(300) + b"\r\n\r\n")
        await _until_closed(client)

    async def _sends_too_much(self, client: Client) -> None:
        client[1].write(_POST % self._random.choice([10**9, 3 * 1024 * 1024]) + b"x" * 65_536)
        await _until_closed(client)

    async def _asks_without_end(self, client: Client) -> None:
        client[1].write(request("GET", "/metrics", close=False) * 200)
        await asyncio.sleep(self._random.uniform(1, 10))

    async def _half_closes(self, client: Client) -> None:
        client[1].write(request("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 4}))
        client[1].write_eof()
        await _until_closed(client)

    # --- connections

    async def _connect(self, rude: bool = False) -> Client:
        other = rude and os.geteuid() == 0
        connection = socket.socket(socket.AF_UNIX)
        try:
            if other:
                os.seteuid(NOBODY)
            try:
                connection.connect(self._path)
            finally:
                if other:
                    os.seteuid(0)
        except OSError:
            connection.close()
            raise
        connection.setblocking(False)
        return await asyncio.open_unix_connection(sock=connection)


def request(method: str, path: str, body: object = None, *, close: bool = True) -> bytes:
    """An HTTP request, with `body` as JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
    return f"{head}{'Connection: close' if close else 'X-Nothing: x'}\r\n\r\n".encode() + content


async def _drip(client: Client, slowly: bytes) -> None:
    """Send byte by byte until the connection is closed."""
    reader, writer = client
    for byte in slowly:
        writer.write(bytes([byte]))
        with suppress(asyncio.TimeoutError):
            if not await asyncio.wait_for(reader.read(1000), 0.5):
                return


async def _until_closed(client: Client) -> None:
    while await client[0].read(1000):
        pass


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    pieces: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    return b"".join(pieces)


_LONG = request("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 60, "stream": True})
