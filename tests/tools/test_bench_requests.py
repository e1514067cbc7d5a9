"""The client and the workloads against a server that only pretends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from benchlib import BenchError
from benchlib.chat import Reply, ask, events, parse
from benchlib.http import Address, Response, fetch, get_json
from benchlib.prompts import Prompts
from benchlib.workload import Amounts, Asker, decode_rate, throughput
from hypothesis import given
from hypothesis import strategies as st

USAGE = {"prompt_tokens": 30, "completion_tokens": 3, "total_tokens": 33}


def sse(*data: object) -> bytes:
    words = [item if isinstance(item, str) else json.dumps(item) for item in data]
    return "".join(f"data: {word}\n\n" for word in words).encode()


def text(content: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}}]}


STREAM = sse(
    text(None),
    text("The"),
    text(" sky"),
    text("."),
    {"choices": [], "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 10}}},
    "[DONE]",
)


class FakeServer:
    """Answers chat requests with as many words as asked for, unless `body` is given."""

    def __init__(self, body: bytes | None = None, status: int = 200) -> None:
        self._body, self._status = body, status
        self.requests: list[dict[str, Any]] = []

    @asynccontextmanager
    async def on(self, path: Path) -> AsyncGenerator[Address]:
        server = await asyncio.start_unix_server(self._serve, path=path)
        try:
            yield Address(path=str(path))
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0] or 0)
        body = json.loads(await reader.readexactly(length) or "{}")
        self.requests.append(body)
        writer.write(b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n\r\n" % self._status)
        for part in self._parts(body):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        writer.write(b"0\r\n\r\n")
        writer.close()

    def _parts(self, body: dict[str, Any]) -> list[bytes]:
        if self._body is not None:
            return [self._body[i : i + 7] for i in range(0, len(self._body), 7)]
        made = body["max_tokens"]
        usage = {"prompt_tokens": 30, "completion_tokens": made}
        return [*[sse(text("word"))] * made, sse({"choices": [], "usage": usage}, "[DONE]")]


def on_server(
    tmp_path: Path, server: FakeServer, do: Callable[[Address], Awaitable[object]]
) -> Any:
    async def run() -> object:
        async with server.on(tmp_path / "s") as address:
            return await do(address)

    return asyncio.run(run())


def response(*pieces: tuple[float, bytes]) -> Response:
    return Response(200, sent_s=1.0, pieces=pieces)


@given(st.lists(st.integers(0, len(STREAM)), max_size=20).map(sorted))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    ends = [0, *cuts, len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(ends)]
    cut = response(*((float(i), piece) for i, piece in enumerate(pieces)))
    assert [data for _, data in events(cut)] == [
        data for _, data in events(response((0.0, STREAM)))
    ]
    assert parse(cut).text == "The sky."


def test_times_are_those_of_the_texts_and_not_of_what_surrounds_them() -> None:
    parts = [part + b"\n\n" for part in STREAM.split(b"\n\n")[:-1]]
    reply = parse(response(*((2.0 + i, part) for i, part in enumerate(parts))))
    assert (reply.first_s, reply.last_s, reply.ttft_s) == (3.0, 5.0, 2.0)
    assert reply.decode_tokens_per_s == 1.0
    assert reply.prefill_tokens_per_s == 10.0
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) == (30, 10, 3)


def test_an_event_counts_from_its_last_byte() -> None:
    found = events(response((1.0, b'data: {"a'), (2.0, b'": 1}\n'), (3.0, b"\n")))
    assert list(found) == [(3.0, {"a": 1})]


@pytest.mark.parametrize(
    "body",
    [
        sse(text("x"), "[DONE]"),
        sse({"choices": [], "usage": USAGE}),
        sse({"error": {"message": "no"}}),
        b"",
    ],
    ids=["no usage", "no text", "error", "empty"],
)
def test_a_stream_without_text_or_usage_is_an_error(body: bytes) -> None:
    with pytest.raises(BenchError):
        parse(response((1.0, body)))


def test_a_request_asks_for_exactly_so_many_greedy_tokens(tmp_path: Path) -> None:
    server = FakeServer()
    reply = on_server(tmp_path, server, lambda address: ask(address, "m", "Why?", 5))
    assert reply.completion_tokens == 5
    assert reply.text == "word" * 5
    (sent,) = server.requests
    assert (sent["max_tokens"], sent["temperature"], sent["ignore_eos"]) == (5, 0, True)


def test_a_server_that_stops_early_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="asked for 64"):
        on_server(tmp_path, FakeServer(STREAM), lambda address: ask(address, "m", "Why?", 64))


def test_a_refusal_shows_what_the_server_said(tmp_path: Path) -> None:
    server = FakeServer(b'{"error": "unknown model"}', status=404)
    with pytest.raises(BenchError, match=r"404.*unknown model"):
        on_server(tmp_path, server, lambda address: ask(address, "m", "Why?", 1))
    with pytest.raises(BenchError, match="404"):
        on_server(tmp_path, server, lambda address: get_json(address, "/x"))


def test_an_answer_that_breaks_off_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")
            writer.close()

        server = await asyncio.start_unix_server(serve, path=tmp_path / "s")
        try:
            await fetch(Address(path=str(tmp_path / "s")), "GET", "/")
        finally:
            server.close()

    with pytest.raises(BenchError, match="broke off"):
        asyncio.run(run())


def prompts(short: int = 20, long: int = 4) -> Prompts:
    return Prompts(tuple(f"q{n}" for n in range(short)), tuple(f"text {n}" for n in range(long)))


def test_concurrent_streams_all_get_prompts_of_their_own(tmp_path: Path) -> None:
    server = FakeServer()

    async def work(address: Address) -> Asker:
        asker = Asker(address, "m", prompts())
        await asker.short(2)
        await asker.together(8, 4)
        return asker

    asker = on_server(tmp_path, server, work)
    sent = [request["messages"][0]["content"] for request in server.requests]
    assert sorted(sent) == [f"q{n}" for n in range(9)]
    assert sum(reply.completion_tokens for reply in asker.replies) == 2 + 8 * 4


def reply(*times_s: float, tokens: int) -> Reply:
    return Reply(0.0, times_s, prompt_tokens=1, cached_tokens=0, completion_tokens=tokens, text="x")


def test_streams_are_only_compared_while_all_of_them_decode() -> None:
    early = reply(1.0, 4.0, 5.0, 6.0, 7.0, tokens=5)
    late = reply(3.0, 4.0, 5.0, 8.0, 9.0, tokens=5)
    assert decode_rate([early, late]) == pytest.approx((4 + 2) / 4)
    assert throughput([early, late]) == pytest.approx(10 / 9)


def test_one_stream_decodes_as_fast_alone_as_in_a_group_of_one() -> None:
    alone = reply(1.0, 2.0, 3.0, 5.0, tokens=4)
    assert decode_rate([alone]) == pytest.approx(alone.decode_tokens_per_s)


def test_a_piece_of_text_stands_for_its_share_of_the_tokens() -> None:
    assert reply(1.0, 2.0, 3.0, 4.0, tokens=8).tokens_between(1.0, 3.0) == 4.0


def test_streams_that_ran_one_after_the_other_are_an_error() -> None:
    with pytest.raises(BenchError, match="at the same time"):
        decode_rate([reply(1.0, 2.0, tokens=2), reply(3.0, 4.0, tokens=2)])


def test_the_amounts_say_how_many_prompts_a_round_needs() -> None:
    assert Amounts(ttft=2, alone=3, batches=2, streams=(4, 8)).short == 1 + 2 + 3 + 24
