"""Connections of clients that are slow, silent or many."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from edge_rt.daemon.connection import BODY_STEP, Connection, Patience
from edge_rt.daemon.doors import Doors

HANG_S = 20.0  # far beyond what any of this takes
BRIEF = Patience(head_s=0.1, body_s=0.1, read_s=0.1)
LONG = Patience(head_s=HANG_S, body_s=HANG_S, read_s=HANG_S)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """Reads the body and answers with its length; or says much and sees whether it is read."""

    def __init__(self, says: int = 0) -> None:
        self.says = says
        self.states: list[dict[str, Any]] = []
        self.gone = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        self.states.append(scope["state"])
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            length, more = length + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(self.says):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await send({"type": "http.response.body", "body": str(length).encode()})
        self.gone.set()


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Site(SimpleNamespace):
    """A server on a Unix socket, and those who connect to it."""

    app: App
    doors: Doors
    path: str

    async def connect(self, sent: bytes = b"") -> Client:
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(sent)
        self.writers.append(writer)
        return reader, writer


async def rest(client: Client) -> bytes:
    """All that still comes until the server closes."""
    return await asyncio.wait_for(client[0].read(), HANG_S)


def document(response: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, json.loads(body)


@pytest.fixture
def serve(tmp_path: Path):
    """Runs a test against a server with that patience and so many places."""

    def run(
        test: Callable[[Site], Awaitable[None]],
        patience: Patience = LONG,
        places: int = 100,
        app: Any = None,
    ) -> None:
        async def main() -> None:
            served, doors = app or App(), Doors(places)
            config = uvicorn.Config(served, log_config=None, lifespan="off", ws="none")
            given = {"config": config, "server_state": ServerState(), "app_state": {}}
            make = partial(Connection, doors, patience, **given)
            loop = asyncio.get_running_loop()
            path = str(tmp_path / "s")
            server = await loop.create_unix_server(make, path)
            site = Site(app=served, doors=doors, path=path, writers=[])
            try:
                await test(site)
            finally:
                for writer in site.writers:
                    writer.transport.abort()
                server.close()
                while doors.inside:  # all leave
                    await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(main(), 3 * HANG_S))

    return run


@pytest.mark.parametrize("sent", [b"", b"G", GET[:-2], b"POST / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(serve, sent) -> None:
    async def test(site: Site) -> None:
        status, _, said = document(await rest(await site.connect(sent)))
        assert status == 408
        assert said["error"]["code"] == "request_timeout"
        assert site.app.states == []

    serve(test, BRIEF)


def test_nor_is_one_that_comes_in_drops(serve) -> None:
    def drip(path: str) -> bytes:
        """What the server says, who is sent to until it hears no more."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(HANG_S)
            client.connect(path)
            client.send(GET[:10])
            with suppress(BrokenPipeError):
                while True:
                    client.send(b"x")
                    time.sleep(0.01)
            said = b""
            with suppress(ConnectionResetError):
                while some := client.recv(1 << 16):
                    said += some
            return said

    async def test(site: Site) -> None:
        assert document(await asyncio.to_thread(drip, site.path))[0] == 408

    serve(test, BRIEF)


def test_a_body_that_does_not_come_is_not_waited_for(serve) -> None:
    async def test(site: Site) -> None:
        status, _, said = document(await rest(await site.connect(POST % 100 + b"a body")))
        assert status == 408
        assert "body" in said["error"]["message"]
        await asyncio.wait_for(site.app.gone.wait(), HANG_S)  # the app does not wait either

    serve(test, BRIEF)


def test_a_body_that_comes_on_is_waited_for(serve) -> None:
    patience = replace(LONG, body_s=0.5)  # a machine that is busy for less than that does no harm

    async def test(site: Site) -> None:
        steps = 8
        reader, writer = await site.connect(POST % (steps * BODY_STEP))
        for _ in range(steps):
            writer.write(b"x" * BODY_STEP)
            await writer.drain()
            await asyncio.sleep(patience.body_s / 5)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
        assert b" 200 " in head

    serve(test, patience)


def test_the_next_request_has_its_own_time(serve) -> None:
    async def test(site: Site) -> None:
        reader, writer = await site.connect()
        for _ in range(3):
            writer.write(GET)
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
            await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), HANG_S)
        writer.write(GET[:5])
        assert b" 408 " in await rest((reader, writer))

    serve(test, BRIEF)


def test_who_does_not_read_its_answer_is_cut_off(serve) -> None:
    async def test(site: Site) -> None:
        _, writer = await asyncio.open_unix_connection(site.path, limit=1)
        site.writers.append(writer)
        writer.write(GET)
        await asyncio.wait_for(site.app.gone.wait(), HANG_S)

    serve(test, BRIEF, app=App(says=200))


def test_what_is_no_http_gets_a_document(serve) -> None:
    async def test(site: Site) -> None:
        status, headers, said = document(
            await rest(await site.connect(b"\x16\x03\x01 hello\r\n\r\n"))
        )
        assert status == 400
        assert headers["connection"] == "close"
        assert said["error"]["code"] == "invalid_http"

    serve(test)


def test_nonsense_after_an_early_answer_ends_the_connection(serve) -> None:
    async def early(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test(site: Site) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await site.connect(head)
        assert b" 413 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
        writer.write(b"no chunk\r\n")
        assert b" 400 " not in await rest((reader, writer))

    serve(test, app=early)


def test_one_too_many_is_told_when_to_come_again(serve) -> None:
    async def test(site: Site) -> None:
        await site.connect()
        status, headers, said = document(await rest(await site.connect(GET)))
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        assert said["error"]["code"] == "connections"
        assert site.app.states == []

    serve(test, places=2)


def test_places_come_free(serve) -> None:
    async def test(site: Site) -> None:
        for _ in range(5):
            reader, writer = await site.connect(GET)
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
            writer.close()
            while site.doors.inside:
                await asyncio.sleep(0.01)

    serve(test, places=2)


def test_the_app_is_told_who_asks(serve) -> None:
    async def test(site: Site) -> None:
        reader, _ = await site.connect(GET)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
        (state,) = site.app.states
        assert isinstance(state["peer_uid"], int)
        assert state["peer_groups"]

    serve(test)
