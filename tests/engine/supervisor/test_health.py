"""Health is a real token, made seldom and without disturbing what is in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_rt.core.errors import EngineError, Unavailable
from edge_rt.engine.hang_detector import FRESH_S
from edge_rt.engine.process import ExitReason


def test_without_a_model_the_decode_loop_is_heard_and_nothing_loaded(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        proof = await house.service.health()
        assert (proof["status"], proof["model"]) == ("ok", None)
        assert (house.pings, house.loads, house.asked) == (1, [], [])

    kit.run(run())


def test_the_model_used_last_makes_one_token(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"))
        for model in "ba":
            await house.answer(model)
            house.now += 1
        proof = await house.service.health()
        assert proof["model"] == "a"
        assert house.asked[-1].model.startswith("a@")
        assert house.asked[-1].max_tokens == 1

    kit.run(run())


def test_a_proof_is_good_for_a_while_and_serves_all_who_ask(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        await asyncio.gather(*(house.service.health() for _ in range(5)))
        house.now += FRESH_S
        await house.service.health()
        assert len(house.asked) == 2
        house.now += 0.1
        await house.service.health()
        assert len(house.asked) == 3

    kit.run(run())


def test_answers_being_made_are_proof_enough(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.running, house.advancing = 4, 1
        proof = await house.service.health()
        assert proof["status"] == "ok"
        assert len(house.asked) == 1  # nothing had to queue behind them

    kit.run(run())


def test_answers_that_do_not_get_on_are_no_proof(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.running = 4
        house.scripts = [[EngineError("stuck")]]
        with pytest.raises(EngineError, match="stuck"):
            await house.service.health()

    kit.run(run())


@pytest.mark.parametrize("error", [EngineError("NaN"), Unavailable("later", retry_after_s=1.0)])
def test_a_failure_is_told_and_not_kept(kit: Any, error: Exception) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.scripts = [[kit.started(), error]]
        with pytest.raises(type(error)):
            await house.service.health()
        assert (await house.service.health())["status"] == "ok"

    kit.run(run())


def test_a_lost_engine_is_no_proof(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.scripts = [[kit.lost]]
        with pytest.raises(EngineError):
            await house.service.health()

    kit.run(run())


def test_an_engine_that_was_ended_from_outside_says_nothing_of_the_next_one(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.scripts = [[ExitReason("signal SIGKILL, from outside", outside=True)]]
        assert (await house.service.health())["status"] == "ok"

    kit.run(run())


def test_asking_does_not_keep_a_model_in_memory(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.now += 100
        await house.service.health()
        await house.pool.sweep(60)
        assert house.pool.residents() == []

    kit.run(run())


def test_an_engine_that_the_governor_has_stopped_is_well(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.duty, house.running, house.advancing = 0.0, 1, 0
        proof = await house.service.health()
        assert (proof["status"], len(house.asked)) == ("ok", 1)
        assert "governor" in str(proof["proof"])

    kit.run(run())
