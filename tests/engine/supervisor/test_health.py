"""The engine is healthy while its decode loop answers; no model is loaded or used for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_rt.core.errors import EngineError
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.hang_detector import prove
from edge_rt.engine.process import ExitReason


def lost(*, outside: bool) -> EngineLost:
    reason: asyncio.Future[ExitReason] = asyncio.get_running_loop().create_future()
    reason.set_result(ExitReason("signal SIGKILL", outside=outside))
    return EngineLost("the engine is gone", reason)


def answering(*errors: Exception) -> Any:
    """What connects to an engine whose decode loop answers once those errors were raised."""
    left = list(errors)

    class Client(EngineClient):
        async def ping(self) -> Any:
            if left:
                raise left.pop(0)

    async def connect() -> EngineClient:
        return Client()

    return connect


def test_the_decode_loop_is_heard_and_nothing_loaded(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        assert (await house.service.health())["status"] == "ok"
        assert (house.pings, house.loads, house.asked) == (1, [], [])

    kit.run(run())


def test_an_engine_that_was_ended_from_outside_says_nothing_of_the_next_one() -> None:
    async def run() -> None:
        proof = await prove(answering(lost(outside=True), lost(outside=True)))
        assert proof["status"] == "ok"

    asyncio.run(run())


def test_a_lost_engine_is_no_proof() -> None:
    async def run() -> None:
        with pytest.raises(EngineLost):
            await prove(answering(lost(outside=False)))

    asyncio.run(run())


def test_an_engine_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(EngineClient):
        async def ping(self) -> Any:
            await asyncio.Event().wait()

    async def connect() -> EngineClient:
        return Silent()

    async def run() -> None:
        with pytest.raises(EngineError, match="did not answer within 0 s"):
            await prove(connect)

    monkeypatch.setattr("edge_rt.engine.hang_detector.PATIENCE_S", 0.0)
    asyncio.run(run())
