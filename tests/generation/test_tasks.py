"""Embeddings: governed, booked, limited and repeated like any request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from edge_rt.config.schema import Config, Requests
from edge_rt.core.errors import ModelNotFound, RequestError, Unavailable
from edge_rt.core.events import Embedded, Started
from edge_rt.core.requests import EmbedCall
from edge_rt.engine.protocol import Embed, EngineWork

IDLE_W = 3.0
LASTS = asyncio.Event  # what a script waits for that goes on and on


def house_of(kit: Any, kind: str, config: Config | None = None, powered: bool = False) -> Any:
    """A house with the model "other" of that kind beside "tiny", which writes."""
    house = kit.house(config, ("other", "tiny"))
    entry = house.get("other")
    other = replace(entry, summary=msgspec.structs.replace(entry.summary, kind=kind))
    entries = [other, house.get("tiny")]
    house.entries = lambda: entries
    if powered:
        house.senses.powered()
        for _ in range(21):
            house.senses.read(IDLE_W, 0.1)
    return house


def embed(house: Any, *inputs: str, **more: Any) -> Any:
    return house.service.tasks.embed(EmbedCall("other", list(inputs or ("a",)), **more))


def test_the_engine_is_asked_and_its_answer_comes_with_the_cost(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [
            [Started(0, 3, 0), kit.passing(house, 1.0, reading=True), kit.embedded(1, 2)]
        ]
        answer, cost = await embed(house, "a", "b", truncate="end", dimensions=2)
        [asked] = house.asked
        assert isinstance(asked, Embed)
        assert (asked.inputs, asked.truncate, asked.dimensions) == (["a", "b"], "end", 2)
        assert answer == kit.embedded(1, 2)
        assert cost.energy_j == pytest.approx(kit.busy_w - IDLE_W, rel=0.01)

    kit.run(run())


def test_it_is_booked_under_its_model_with_its_tokens(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [[Started(0, 7, 0), kit.passing(house, 1.0, reading=True), kit.embedded()]]
        await embed(house)
        [entry] = house.book.recent(9)
        assert (entry.model, entry.status, entry.prompt_tokens) == ("other", "done", 7)
        assert entry.completion_tokens == 0
        assert entry.busy_s == pytest.approx(1.0)
        assert entry.energy_j == pytest.approx(kit.busy_w - IDLE_W, rel=0.01)
        assert house.energy_meter.tokens.prompt == 7

    kit.run(run())


def test_after_a_loss_the_next_engine_gets_it_again_and_it_counts_once(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [[Started(0, 7, 0), kit.lost], [Started(0, 7, 0), kit.embedded()]]
        answer, _ = await embed(house)
        assert answer == kit.embedded()
        assert len(house.asked) == 2
        assert house.energy_meter.tokens.prompt == 7
        assert len(house.book.recent(9)) == 1
        assert len(house.governor_loop.admitted) == 1  # it goes on in the next one

    kit.run(run())


def test_a_model_that_was_alone_in_two_engines_is_refused(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding")
        house.scripts = [[Started(0, 7, 0), kit.lost]] * 3
        for _ in range(2):
            with pytest.raises(Unavailable, match="two engines that it was alone in"):
                await embed(house)
        assert len(house.asked) == 2

    kit.run(run())


def test_who_does_not_wait_is_booked_as_cancelled_once_the_engine_has_told(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [[Started(0, 7, 0), kit.passing(house, 1.0, reading=True), LASTS()]]
        task = asyncio.ensure_future(embed(house))
        while not house.energy_meter.tokens.prompt:
            await asyncio.sleep(0)
        for _ in range(9):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        house.engine.on_work(EngineWork(house.now, house.now + 0.1, []))
        await house.energy_meter.finish()
        [entry] = house.book.recent(9)
        assert entry.status == "cancelled"
        assert house.open == house.occupancy.active == 0

    kit.run(run())


def test_what_the_engine_refuses_is_the_callers_and_not_booked(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding")
        house.scripts = [[RequestError("too long", param="input")]]
        with pytest.raises(RequestError, match="too long"):
            await embed(house)
        house.engine.on_work(EngineWork(house.now + 1, house.now + 1, []))
        await house.energy_meter.finish()
        assert house.book.recent(9) == []

    kit.run(run())


def test_the_governor_lets_them_in_or_sends_them_away(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding")
        house.governor_loop.allow(admission="refuse", why="the board is hot", retry_after_s=9.0)
        with pytest.raises(Unavailable) as caught:
            await embed(house)
        assert caught.value.retry_after_s == 9.0
        house.governor_loop.allow(admission="queue")
        waiting = asyncio.ensure_future(embed(house))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not house.asked
        house.governor_loop.allow()
        await waiting
        assert len(house.asked) == 1

    kit.run(run())


def test_they_count_among_the_requests_that_may_be_there(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", Config(requests=Requests(queue=1)))
        house.scripts = [[LASTS()]]
        first = asyncio.ensure_future(embed(house))
        while not house.asked:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await embed(house)
        assert caught.value.code == "queue_full"
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    kit.run(run())


def test_time_that_is_over_before_the_end_is_told_with_when_to_come_again(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [[Started(0, 7, 0), kit.passing(house, 5.0, reading=True), LASTS()]]
        with pytest.raises(Unavailable, match="was not done") as caught:
            await embed(house, deadline_s=house.now + 4.0)
        assert caught.value.code == "latency"

    kit.run(run())


def test_joules_that_are_spent_before_the_end_are_too_few(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [[Started(0, 7, 0), kit.passing(house, 5.0, reading=True), LASTS()]]
        with pytest.raises(RequestError) as caught:
            await embed(house, energy_j=4.0)
        assert (caught.value.param, caught.value.code) == ("edge.energy_j", "limit_too_low")

    kit.run(run())


def test_what_suffices_changes_nothing(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding", powered=True)
        house.scripts = [[Started(0, 7, 0), kit.passing(house, 1.0, reading=True), kit.embedded()]]
        answer, _ = await embed(house, deadline_s=house.now + 4.0, energy_j=40.0)
        assert isinstance(answer, Embedded)
        assert house.open == 0  # the model may be unloaded at once

    kit.run(run())


def test_an_answer_beside_them_teaches_nothing(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding")
        house.scripts = [[LASTS()]]
        beside = asyncio.ensure_future(embed(house))
        while not house.asked:
            await asyncio.sleep(0)
        with house.routing.lessons.attend(1) as lesson:
            assert not lesson.pure
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)

    kit.run(run())


@pytest.mark.parametrize("kind", ["language", "tensors"])
def test_only_embedding_models_embed(kit: Any, kind: str) -> None:
    async def run() -> None:
        house = house_of(kit, kind)
        with pytest.raises(RequestError, match="other gives no embeddings: it is a") as caught:
            await embed(house)
        assert caught.value.param == "model"
        assert not house.asked

    kit.run(run())


def test_the_default_is_the_one_of_its_kind(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, "embedding")
        assert house.service.able("default", "embedding").id == "other"
        with pytest.raises(ModelNotFound, match="edge-rt models add"):
            house.service.able("default", "rerank")

    kit.run(run())
