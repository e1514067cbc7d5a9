"""Prefixes are read while nobody else wants the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from house import finished

from edge_rt.config.caching import Warm
from edge_rt.config.schema import Config, Requests
from edge_rt.core.errors import Unavailable
from edge_rt.engine.protocol import Generate

LASTS = asyncio.Event


def house_of(kit: Any, *prompts: str, **config: Any) -> Any:
    warm = [Warm(prompt=prompt) for prompt in prompts]
    return kit.house(Config(warm=warm, **config))


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def running(house: Any, test: Any) -> None:
    """Run `test` beside the reading of prefixes."""
    task = asyncio.create_task(house.front.warming.run())
    try:
        await test()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def states(house: Any) -> list[str]:
    return [one.state for one in house.front.warming.report()]


def asked(house: Any) -> list[str]:
    return [request.prompt for request in house.asked]


def reads(house: Any, prompt: str) -> list[Any]:
    """A script of an engine that has read `prompt` then."""
    return [lambda: house.texts.add(prompt), finished()]


def test_they_are_read_when_the_model_is_loaded(kit: Any) -> None:
    house = house_of(kit, "once", "twice")
    house.scripts = [reads(house, "once"), reads(house, "twice")]

    async def test() -> None:
        await until(lambda: states(house) == ["not loaded"] * 2)
        assert house.asked == []
        await house.service.preload("default")
        await until(lambda: states(house) == ["warm"] * 2)
        assert asked(house) == ["once", "twice"]
        one = house.asked[0]
        assert isinstance(one, Generate)
        assert (one.pin, one.max_tokens, one.client) == (True, 1, "warm")

    kit.run(running(house, test))


def test_what_is_there_is_not_read_again(kit: Any) -> None:
    house = house_of(kit, "once")
    house.texts.add("once")

    async def test() -> None:
        await house.service.preload("default")
        await until(lambda: states(house) == ["warm"])
        await house.answer()
        assert "once" not in asked(house)
        house.texts.clear()  # requests take its place
        house.scripts = [[finished()], reads(house, "once")]
        await house.answer()
        await until(lambda: "once" in asked(house))

    kit.run(running(house, test))


def test_a_request_goes_first(kit: Any) -> None:
    house = house_of(kit, "once", requests=Requests(queue=1))
    house.scripts = [[LASTS()], [LASTS()], reads(house, "once")]

    async def test() -> None:
        await house.service.preload("default")
        await until(lambda: house.open)
        assert asked(house) == ["once"]
        request = asyncio.create_task(house.answer())
        await until(lambda: len(house.asked) == 2)
        await until(lambda: house.open == 1)
        assert states(house) == ["waiting"]
        with pytest.raises(Unavailable):  # one request is at work, and the queue is that long
            await house.answer()
        request.cancel()
        await until(lambda: states(house) == ["warm"])

    kit.run(running(house, test))


def test_what_an_engine_does_not_keep_is_read_once_only(kit: Any) -> None:
    house = house_of(kit, "once")

    async def test() -> None:
        await house.service.preload("default")
        await until(lambda: states(house) == ["failed"])
        [problem] = [p for p in (await house.service.status())["problems"] if p.code == "warm"]
        assert "does not keep" in problem.message
        for _ in range(50):
            await asyncio.sleep(0)
        assert asked(house) == ["once"]

    kit.run(running(house, test))
