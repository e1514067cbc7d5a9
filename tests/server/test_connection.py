"""Connections of clients that are slow, silent or many."""

from __future__ import annotations

import asyncio
import json
import resource
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

from edge_rt.api.middleware.access import REFUSED
from edge_rt.server.acceptor import PAUSE_S, Acceptor
from edge_rt.server.connection import (
    BODY_STEP,
    GONE_S,
    READ,
    Connection,
    Patience,
)
from edge_rt.server.connection_limiter import ConnectionLimiter

LARGE = 32 * 1024 * 1024  # bytes of a body
HANG_S = 20.0  # far beyond what any of this takes
BRIEF = Patience(head_s=0.1, body_s=0.1, read_s=0.1)
LONG = Patience(head_s=HANG_S, body_s=HANG_S, read_s=HANG_S)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


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
    limiter: ConnectionLimiter
    path: str
    port: int | None  # None: it listens on the path
    connections: set[Any]  # those that are open
    now_s: float  # of the limiter' clock

    async def connect(self, sent: bytes = b"") -> Client:
        if self.port is None:
            reader, writer = await asyncio.open_unix_connection(self.path)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        self.writers.append(writer)
        return reader, writer


async def rest(client: Client) -> bytes:
    """Return all that still comes until the server closes."""
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
        places: int = 1000,
        app: Any = None,
        tcp: bool = False,
        **rates: float,
    ) -> None:
        async def main() -> None:
            site = Site(app=app or App(), path=str(tmp_path / "s"), writers=[], now_s=0.0)
            served, limiter = site.app, ConnectionLimiter(places, clock=lambda: site.now_s, **rates)
            config = uvicorn.Config(served, log_config=None, lifespan="off", ws="none")
            state = ServerState()
            site.connections = state.connections
            given = {"config": config, "server_state": state, "app_state": {}}
            make = partial(Connection, limiter, patience, **given)
            sock = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
            sock.bind(("127.0.0.1", 0) if tcp else site.path)
            site.port = sock.getsockname()[1] if tcp else None
            server = Acceptor(sock, limiter, make)
            site.limiter = limiter
            try:
                await test(site)
            finally:
                for writer in site.writers:
                    writer.transport.abort()
                server.close()
                sock.close()
                while limiter.inside:  # all leave
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


@pytest.mark.parametrize("sent", [b"", GET])
def test_who_connects_before_the_server_stops_is_answered(serve, sent: bytes) -> None:
    async def test(site: Site) -> None:
        client = await site.connect()
        while not site.connections:
            await asyncio.sleep(0.01)
        for connection in list(site.connections):
            connection.shutdown()
        client[1].write(sent)
        answer = await rest(client)  # the connection is closed in any case
        assert answer.startswith(b"HTTP/1.1 200 ") if sent else answer == b""

    serve(test)


def test_nor_is_one_that_comes_in_drops(serve) -> None:
    def drip(path: str) -> bytes:
        """Return what the server says, who is sent to until it hears no more."""
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


def test_a_body_that_comes_just_fast_enough_is_not_waited_for_without_end(serve) -> None:
    async def test(site: Site) -> None:
        client = await site.connect(POST % (1 << 30))
        said = asyncio.create_task(rest(client))
        while not said.done():
            client[1].write(b"x" * BODY_STEP)
            await asyncio.sleep(0.2)
        with suppress(ConnectionError):  # what is still on its way may cost the answer
            assert document(said.result())[0] == 408
        await asyncio.wait_for(site.app.gone.wait(), HANG_S)

    serve(test, replace(LONG, body_s=1.0, whole_s=0.5))


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


def test_who_sends_all_of_a_large_body_first_reads_the_answer_then(serve) -> None:
    async def early(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def whole(path: str, size: int) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(HANG_S)
            client.connect(path)
            client.sendall(POST % size + b"x" * size)
            return client.recv(1 << 16)

    async def test(site: Site) -> None:
        said = await asyncio.to_thread(whole, site.path, LARGE)
        assert b" 413 " in said

    serve(test, app=early)


class Slow(App):
    """Answers once it is told to, or hears that the client is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        self.begun.set()
        told, left = asyncio.create_task(self.go.wait()), asyncio.create_task(receive())
        _, others = await asyncio.wait({told, left}, return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()
        if left.done():
            self.gone.set()
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"said"})


@pytest.mark.parametrize("tcp", [False, True])
def test_who_ends_what_it_sends_is_answered_all_the_same(serve, tcp) -> None:
    async def test(site: Site) -> None:
        app = site.app
        client = await site.connect(POST % 2 + b"{}")
        client[1].write_eof()
        await asyncio.wait_for(app.begun.wait(), HANG_S)
        await asyncio.sleep(2.5 * GONE_S)
        app.go.set()
        said = await rest(client)
        assert b" 200 " in said
        assert b"said" in said
        assert not app.gone.is_set()

    serve(test, app=Slow(), tcp=tcp)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("rest_of", [b"", POST % 9 + b"half", b"GET / HT"])
def test_each_whole_request_is_answered_before_the_end_of_what_is_sent(serve, tcp, rest_of) -> None:
    async def test(site: Site) -> None:
        client = await site.connect(GET + POST % 2 + b"{}" + GET + rest_of)
        client[1].write_eof()
        await asyncio.wait_for(site.app.begun.wait(), HANG_S)
        site.app.go.set()
        said = await rest(client)
        assert said.count(b"said") == 3
        assert (b"incomplete: 4 of 9 bytes" in said) is rest_of.endswith(b"half")
        assert (b"head is incomplete" in said) is rest_of.startswith(b"GET")

    serve(test, app=Slow(), tcp=tcp)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (POST % 100 + b"x" * 50, "50 of 100 bytes came"),
        (POST % 100, "0 of 100 bytes came"),
        (CHUNKED + b"4\r\nhalf\r\n", "its last chunk is missing"),
        (CHUNKED + b"9\r\nhalf", "its last chunk is missing"),
    ],
)
def test_a_body_that_is_cut_short_is_refused(serve, tcp, sent, came) -> None:
    async def test(site: Site) -> None:
        client = await site.connect(sent)
        client[1].write_eof()
        status, headers, said = document(await rest(client))
        assert (status, said["error"]["code"]) == (400, "incomplete_body")
        assert said["error"]["message"] == f"The request's body is incomplete: {came}."
        assert headers["connection"] == "close"
        await asyncio.wait_for(site.app.gone.wait(), HANG_S)
        assert site.app.states[0][REFUSED] == 400

    serve(test, tcp=tcp)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("sent", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_is_cut_short_is_refused(serve, tcp, sent) -> None:
    async def test(site: Site) -> None:
        client = await site.connect(sent)
        client[1].write_eof()
        status, _, said = document(await rest(client))
        assert (status, said["error"]["code"]) == (400, "incomplete_head")

    serve(test, tcp=tcp)


def test_who_sends_no_request_gets_no_answer(serve) -> None:
    async def test(site: Site) -> None:
        client = await site.connect()
        client[1].write_eof()
        assert await rest(client) == b""

    serve(test)


@pytest.mark.parametrize("tcp", [False, True])
def test_what_was_answered_before_its_body_ended_is_not_answered_again(serve, tcp) -> None:
    async def early(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test(site: Site) -> None:
        reader, writer = await site.connect(POST % 100 + b"half")
        assert b" 413 " in await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), HANG_S)
        writer.write_eof()
        assert await rest((reader, writer)) == b""

    serve(test, app=early, tcp=tcp)


def test_a_client_of_http_1_0_gets_no_interim_response(serve) -> None:
    async def test(site: Site) -> None:
        client = await site.connect(b"GET / HTTP/1.0\r\n\r\n")
        client[1].write_eof()
        await asyncio.wait_for(site.app.begun.wait(), HANG_S)
        await asyncio.sleep(2.5 * GONE_S)
        site.app.go.set()
        said = await rest(client)
        assert said.split(b"\r\n")[0] == b"HTTP/1.1 200 OK"
        assert said.endswith(b"said")

    serve(test, app=Slow(), tcp=True)


@pytest.mark.parametrize("tcp", [False, True])
def test_who_closes_is_not_answered(serve, tcp) -> None:
    async def test(site: Site) -> None:
        app = site.app
        _, writer = await site.connect(POST % 2 + b"{}")
        await asyncio.wait_for(app.begun.wait(), HANG_S)
        writer.close()
        await asyncio.wait_for(app.gone.wait(), HANG_S)

    serve(test, app=Slow(), tcp=tcp)


def test_a_small_rest_of_a_body_is_read_and_the_connection_goes_on(serve) -> None:
    async def early(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def test(site: Site) -> None:
        reader, writer = await site.connect(POST % 100_000)
        for _ in range(2):
            assert b" 413 " in await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), HANG_S)
            writer.write(b"x" * 100_000 + POST % 100_000)
            await writer.drain()

    serve(test, app=early)


def test_all_that_are_too_many_are_told(serve) -> None:
    async def test(site: Site) -> None:
        refused = [await site.connect(GET) for _ in range(100)][1:]  # one has a place
        for client in refused:
            status, headers, said = document(await rest(client))
            assert (status, said["error"]["code"]) == (503, "connections")
            assert int(headers["retry-after"]) >= 1

    serve(test, places=2)


def test_who_connects_too_often_is_told_and_let_in_later(serve) -> None:
    async def test(site: Site) -> None:
        await site.connect()
        await site.connect()
        status, headers, said = document(await rest(await site.connect()))
        assert (status, said["error"]["code"]) == (429, "rate_limit")
        assert int(headers["retry-after"]) >= 1
        site.now_s += 1.0
        assert b" 200 " in await (await site.connect(GET))[0].readuntil(b"\r\n\r\n")

    serve(test, per_program_s=1.0)


def test_without_file_descriptors_accepting_waits_and_says_so_once(serve, caplog) -> None:
    async def test(site: Site) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for client in clients:
            client.connect(site.path)
            client.send(GET)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            await asyncio.sleep(1.5 * PAUSE_S)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for client in clients:
            reader, writer = await asyncio.open_unix_connection(sock=client)
            site.writers.append(writer)
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
        [line] = caplog.messages
        assert "no connection can be accepted" in line

    serve(test)


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
            while site.limiter.inside:
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


def test_no_more_is_read_at_once_than_malloc_has_at_hand(serve, monkeypatch) -> None:
    """Blocks of 128 KiB and more are mapped by the kernel each time; see return_large_blocks."""
    came: list[int] = []
    take = Connection.data_received

    def noted(self: Connection, data: bytes) -> None:
        came.append(len(data))
        take(self, data)

    monkeypatch.setattr(Connection, "data_received", noted)
    sent = POST % 400_000 + bytes(400_000)

    async def test(site: Site) -> None:
        client = await site.connect(sent)
        await asyncio.wait_for(client[0].readuntil(b"0\r\n\r\n"), HANG_S)

    serve(test)
    assert sum(came) == len(sent)
    assert max(came) <= READ
