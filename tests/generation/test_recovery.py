"""After an engine's end everybody goes on, but for who ended two."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_rt.core.errors import EngineBroken, EngineError, RequestError, Unavailable
from edge_rt.engine.process import ExitReason
from edge_rt.generation.recovery import (
    CLEARED,
    LOSSES,
    REMEMBERED,
    REMEMBERED_S,
    RENEWED_S,
    SHORT_S,
    STUCK_S,
)

OUTSIDE = ExitReason("signal SIGKILL, from outside", outside=True)


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_an_engine_that_is_ended_from_outside_is_nobodys_fault(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), kit.delta(1), OUTSIDE]] + [
            [kit.delta(2), OUTSIDE] for _ in range(3 * LOSSES)
        ]
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_who_comes_no_further_is_given_up(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()

        def later() -> None:
            house.now += STUCK_S / (LOSSES - 1)

        house.scripts = [[later, OUTSIDE]] * (LOSSES + 1)
        with pytest.raises(EngineError, match="again and again"):
            await house.answer()
        assert len(house.asked) == LOSSES

    kit.run(run())


def test_who_waits_while_others_are_served_is_not_given_up(kit: Any) -> None:
    """Nor is who got no turn in engines that were ended from outside."""

    async def run() -> None:
        house = kit.house()
        house.useful = True
        house.scripts = [[OUTSIDE]] * (3 * LOSSES)
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_who_ended_two_engines_is_remembered_for_a_while(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        assert await house.said(max_tokens=9) == [kit.finished()]  # the model is a good one
        house.asked.clear()
        house.scripts = [[kit.started(), kit.lost], [kit.lost]]
        for how in ({}, {"threads": 1}, {"why": "by another route", "asked": "auto"}):
            with pytest.raises(RequestError, match="signal SIGSEGV") as caught:
                await house.answer(client="uid:1", id="any", **how)
            assert caught.value.code == "engine_killed"
        assert len(house.asked) == 2
        assert await house.said(max_tokens=8) == [kit.finished()]  # another request
        house.now += REMEMBERED_S + 1.0
        assert await house.said() == [kit.finished()]

    kit.run(run())


def test_a_model_that_never_answered_is_refused_after_two_engines(kit: Any) -> None:
    """Whatever is asked of it; later one engine more tells that it is still the same."""

    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), kit.lost]] * 3
        leaves = asyncio.ensure_future(house.answer(max_tokens=1))
        await until(lambda: len(house.asked) == 2)
        with pytest.raises(RequestError, match="ended the engine twice"):
            await leaves
        with pytest.raises(Unavailable, match="ended two engines") as caught:
            await house.answer(max_tokens=2)
        assert len(house.asked) == 2
        assert caught.value.retry_after_s is not None
        house.now += caught.value.retry_after_s
        with pytest.raises(Unavailable, match="ended two engines"):
            await house.answer(max_tokens=3)
        assert len(house.asked) == 3

    kit.run(run())


def test_engines_that_a_model_ended_with_two_requests_are_counted_together(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        both = ExitReason("signal SIGABRT", frozenset({1, 2}))
        together = asyncio.Event()
        house.scripts = [[kit.started(), together, both] for _ in range(2)] + [[kit.lost]] * 2
        answers = [asyncio.ensure_future(house.answer(max_tokens=n)) for n in (1, 2)]
        await until(lambda: len(house.asked) == 2)
        together.set()
        told = await asyncio.gather(*answers, return_exceptions=True)
        assert {type(each) for each in told} == {RequestError, Unavailable}
        assert len(house.asked) == 3

    kit.run(run())


def test_who_was_at_work_when_memory_was_short_may_come_again_soon(kit: Any) -> None:
    """Another program may have taken it."""

    async def run() -> None:
        house = kit.house()

        def killed() -> None:
            at_work = frozenset({house.ids})
            house.engine.lose(ExitReason("memory was short", at_work, short_of_memory=True))

        house.scripts = [[kit.started(), killed, kit.lost], [killed, kit.lost]]
        waits: list[float | None] = []
        for _ in range(2):
            with pytest.raises(Unavailable, match="memory was short") as caught:
                await house.answer()
            assert caught.value.code == "out_of_memory"
            assert "smaller model" in str(caught.value)
            waits.append(caught.value.retry_after_s)
            house.now += 1.0
        assert waits == [SHORT_S, SHORT_S - 1.0]
        assert len(house.asked) == 2
        house.now += SHORT_S
        assert await house.said() == [kit.finished()]

    kit.run(run())


def test_the_oldest_are_forgotten_first(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.said()
        for tokens in range(1, REMEMBERED + 2):
            house.scripts = [[kit.lost], [kit.lost]]
            with pytest.raises(RequestError):
                await house.answer(max_tokens=tokens)
        assert await house.said(max_tokens=1) == [kit.finished()]
        with pytest.raises(RequestError):
            await house.answer(max_tokens=2)

    kit.run(run())


def test_of_several_only_who_did_it_is_refused(kit: Any) -> None:
    """All were in the pass that ended the engine; then they are tried one after the other."""

    async def run() -> None:
        house = kit.house()
        together, past = asyncio.Event(), kit.delta(*range(CLEARED))
        all_three = ExitReason("signal SIGABRT", frozenset({1, 2, 3}))
        house.scripts = [[kit.started(), together, all_three] for _ in range(3)] + [
            [past, asyncio.Event()],  # who comes first is cleared, and goes on
            [kit.lost],  # the second did it
            [past, kit.finished()],  # the first again, in the third engine
            [past, kit.finished()],  # and the third
        ]
        answers = [asyncio.ensure_future(house.answer(max_tokens=n)) for n in (1, 2, 3)]
        await until(lambda: len(house.asked) == 3)
        together.set()
        await until(lambda: len(house.asked) == 5)
        ended = house.engine
        await until(ended.lost.is_set)
        cleared, guilty = (asked.max_tokens for asked in house.asked[3:])
        with pytest.raises(RequestError):
            await answers[guilty - 1]
        answers[cleared - 1].cancel()  # its script never hears of the loss
        assert (await answers[5 - cleared - guilty])[-1] == kit.finished()
        with pytest.raises(RequestError):
            await house.answer(max_tokens=guilty)

    kit.run(run())


def test_who_waits_for_its_turn_may_leave(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        together = asyncio.Event()
        both = ExitReason("exit 1", frozenset({1, 2}))
        house.scripts = [[together, both], [together, both], [asyncio.Event()]]
        answers = [asyncio.ensure_future(house.answer(max_tokens=n)) for n in (1, 2)]
        await until(lambda: len(house.asked) == 2)
        together.set()
        await until(lambda: len(house.asked) == 3)
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)
        assert len(house.asked) == 3
        assert house.state.active == 0
        assert await house.said() == [kit.finished()]

    kit.run(run())


def test_nonsense_is_tried_in_a_new_engine_once_in_a_while(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        nonsense = EngineBroken("NaN logits")
        house.scripts = [
            [kit.started(), kit.delta(1), nonsense],
            [kit.delta(2), kit.finished()],
        ]
        first = house.engine
        assert await house.said() == [kit.started(), kit.delta(1), kit.delta(2), kit.finished()]
        assert house.engine is not first
        assert first.termination is not None
        assert "NaN" in first.termination.why
        second = house.engine
        house.scripts = [[nonsense]]
        with pytest.raises(EngineBroken):
            await house.answer()
        assert second.termination is None
        house.now += RENEWED_S + 1.0
        house.scripts = [[nonsense]]
        assert await house.said() == [kit.finished()]
        assert second.termination is not None

    kit.run(run())
