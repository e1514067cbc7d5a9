"""Who asks what is being answered waits for that answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_rt.api.caching import Flights
from edge_rt.core.errors import EngineError

PATH = "/v1/chat/completions"


@pytest.fixture
def cached(make_client: Any, make_cache: Any) -> Any:
    return make_client(cache=make_cache())


@pytest.fixture
def held(service: Any, script: Any) -> Any:
    """Makes answers that begin and end only once they are let go on."""

    def make() -> asyncio.Event:
        go_on = asyncio.Event()
        whole = [script.delta("x"), script.cost(), script.finished()]
        service.script = lambda call: [script.started(), go_on, *whole]
        return go_on

    return make


async def ask(client: Any, *, said: str = "Hi", **fields: Any) -> Any:
    body = {"messages": [{"role": "user", "content": said}], "temperature": 0, **fields}
    connection = client.open("POST", PATH, body)
    for _ in range(200):  # until it computes, or waits for who does
        await asyncio.sleep(0.001)
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_is_made_once(cached: Any, service: Any, held: Any, stream: bool) -> None:
    async def run() -> list[Any]:
        go_on = held()
        asked = [await ask(cached, stream=stream) for _ in range(3)]
        assert len(service.calls) == 1
        go_on.set()
        return [await one.end() for one in asked]

    first, *others = asyncio.run(run())
    assert len(service.calls) == 1
    assert first.status == 200
    assert b'"cache":"exact"' not in first.body
    for other in others:
        assert other.status == 200
        assert b'"cache":"exact"' in other.body


def test_what_is_asked_otherwise_does_not_wait(cached: Any, service: Any, held: Any) -> None:
    async def run() -> None:
        go_on = held()
        terms: list[dict[str, Any]] = [{}, {"cache": "refresh"}, {"latency_s": 5}, {"cache": "off"}]
        asked = [await ask(cached, edge=edge) for edge in terms]
        asked.append(await ask(cached, said="Hello"))
        only = await (await ask(cached, edge={"cache": "only"})).end()
        assert only.status == 404
        assert len(service.calls) == len(asked)
        go_on.set()
        for one in asked:
            assert (await one.end()).status == 200

    asyncio.run(run())


def test_one_of_those_who_wait_makes_it_where_the_first_left(
    cached: Any, service: Any, held: Any
) -> None:
    async def run() -> list[Any]:
        go_on = held()
        first, *others = [await ask(cached) for _ in range(4)]
        first.leave()
        await first.end()
        go_on.set()
        return [await other.end() for other in others]

    assert [one.status for one in asyncio.run(run())] == [200, 200, 200]
    assert len(service.calls) == 2


def test_what_is_not_kept_is_waited_for_once(cached: Any, service: Any, held: Any) -> None:
    async def run() -> None:
        service.stands_in = "other-1.5b@q4"
        go_on = held()
        first, *others = [await ask(cached) for _ in range(3)]
        go_on.set()
        assert (await first.end()).status == 200
        held()
        for _ in range(50):
            await asyncio.sleep(0.001)
        assert len(service.calls) == 3  # both at once
        for other in others:
            other.leave()
            await other.end()

    asyncio.run(run())


def test_who_waited_for_what_failed_is_answered(cached: Any, service: Any, script: Any) -> None:
    async def run() -> list[Any]:
        go_on = asyncio.Event()
        service.script = lambda call: [script.started(), go_on, EngineError("it died")]
        first, second = await ask(cached), await ask(cached)
        service.script = lambda call: [script.started(), script.cost(), script.finished()]
        go_on.set()
        return [await first.end(), await second.end()]

    assert [one.status for one in asyncio.run(run())] == [500, 200]


def test_who_waits_and_leaves_disturbs_nobody(cached: Any, service: Any, held: Any) -> None:
    async def run() -> list[Any]:
        go_on = held()
        first, second, third = [await ask(cached) for _ in range(3)]
        second.leave()
        await second.end()
        go_on.set()
        return [await first.end(), await third.end()]

    assert [one.status for one in asyncio.run(run())] == [200, 200]
    assert len(service.calls) == 1


def test_the_first_who_makes_it_counts() -> None:
    async def run() -> None:
        flights = Flights()
        with flights.made(b"key"):
            with flights.made(b"key"):
                pass
            waiting = asyncio.ensure_future(flights.landed(b"key"))
            await asyncio.sleep(0.01)
            assert not waiting.done()
        assert await waiting
        assert not await flights.landed(b"key")

    asyncio.run(run())
