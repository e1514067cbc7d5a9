"""What a request for speech goes through before and after the companion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge_rt.config.applications import AppBudget
from edge_rt.config.schema import Config, Models, Requests
from edge_rt.config.speech import Speech
from edge_rt.core.errors import ModelNotFound, Unavailable
from edge_rt.core.requests import OWN_APP
from edge_rt.speech.protocol import Segment, Speak, Task, Transcribe, Transcript

IDLE_W, BUSY_W = 3.0, 7.0
WORD = Segment(0.0, 1.0, "Hello")
HEARD = Transcript(1.0, "en", [WORD])
SPEECH = Speech(transcriber="/models/ggml-tiny.en.bin", voice="/models/en_US-joe.onnx")


class FakeCompanion:
    """Works for two seconds of the house's clock; `waits` until then."""

    def __init__(self, house: Any) -> None:
        self.house = house
        self.held = False
        self.tasks: list[Task] = []
        self.failure: Exception | None = None
        self.waits = asyncio.Event()
        self.waits.set()
        self.lock = asyncio.Lock()

    def holds(self, model: str) -> bool:
        return self.held

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        async with self.lock:
            yield

    async def run(self, make: Callable[[int], Task], worked: Any) -> AsyncGenerator[Any, None]:
        self.tasks.append(make(2))
        begin_s = self.house.now
        for _ in range(20):
            self.house.senses.read(BUSY_W, 0.1)
        worked(begin_s, self.house.now, True)
        await self.waits.wait()
        if self.failure is not None:
            raise self.failure
        yield WORD
        yield HEARD


def house_of(kit: Any, **sections: Any) -> Any:
    """A house with ears and a voice, whose idle draw is known."""
    house = kit.house(Config(**{"speech": SPEECH, **sections}))
    house.companion = house.service.speech._companion = FakeCompanion(house)
    house.senses.powered()
    for _ in range(21):
        house.senses.read(IDLE_W, 0.1)
    house.front.pool._available = lambda: 1 << 40
    return house


def task(threads: int) -> Transcribe:
    return Transcribe("model", threads, b"", 1.0)


async def hear(house: Any, app: str = OWN_APP) -> list[Any]:
    speech = house.service.speech
    told = speech.run(speech.model("transcriber", "default"), task, app)
    return [event async for event in told]


def test_it_is_admitted_and_booked_with_what_it_added_to_the_idle_draw(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        segment, took = await hear(house)
        assert (segment, took.result) == (WORD, HEARD)
        assert took.cost.energy_j == pytest.approx(2.0 * (BUSY_W - IDLE_W), rel=0.05)
        assert took.timings.decode_s == pytest.approx(2.0)
        assert house.governor_loop.admitted == [True]
        [entry] = house.book.recent(9)
        assert (entry.model, entry.status) == ("ggml-tiny.en", "done")
        assert entry.busy_s == pytest.approx(2.0)
        assert entry.energy_j == took.cost.energy_j
        house.companion.held = True
        await hear(house)
        assert house.governor_loop.admitted == [True, False]

    kit.run(run())


def test_it_counts_against_the_budget_of_its_application(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, applications={"cam": AppBudget(energy_j=5.0)})
        house.companion.waits.clear()
        first, second = (asyncio.ensure_future(hear(house, "cam")) for _ in range(2))
        while not house.companion.tasks:
            await asyncio.sleep(0)
        [state] = (await house.energy_meter.ledger(1, 0)).budgets
        assert state.spent_j > 5.0, "while it runs"
        house.companion.waits.set()
        _, took = await first
        with pytest.raises(Unavailable, match=r"applications\.cam") as refused:
            await second
        assert refused.value.code == "app_budget", "which waited for the first one"
        with pytest.raises(Unavailable, match=r"applications\.cam"):
            await hear(house, "cam")
        assert len(house.companion.tasks) == 1
        assert len(await hear(house, "chat")) == 2
        apps = {one.app: one for one in (await house.energy_meter.ledger(1, 0)).apps}
        assert apps["cam"].energy_j == pytest.approx(took.cost.energy_j, rel=0.05)
        assert OWN_APP not in apps

    kit.run(run())


def test_nothing_begins_while_the_board_can_afford_nothing(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        house.governor_loop.allow(admission="refuse")
        with pytest.raises(Unavailable):
            await hear(house)
        assert not house.companion.tasks
        assert not house.occupancy.active

    kit.run(run())


def test_a_model_that_finds_no_room_is_refused_and_one_in_memory_is_not(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        house.front.pool._available = lambda: 1000
        with pytest.raises(Unavailable, match=r"ggml-tiny\.en needs 220 MB of memory") as refused:
            await hear(house)
        assert refused.value.code == "out_of_memory"
        house.companion.held = True
        assert len(await hear(house)) == 2

    kit.run(run())


def test_who_fails_or_leaves_is_booked_with_what_was_done(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        house.companion.failure = Unavailable("it ended", retry_after_s=1.0)
        with pytest.raises(Unavailable):
            await hear(house)
        house.companion.waits.clear()
        leaving = asyncio.ensure_future(hear(house))
        while len(house.companion.tasks) < 2:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await house.energy_meter.finish()
        booked = house.book.recent(9)
        assert sorted(entry.status for entry in booked) == ["cancelled", "failed"]
        assert all(entry.energy_j > 0.0 for entry in booked)

    kit.run(run())


def test_it_counts_as_a_request_of_the_queue(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, requests=Requests(queue=1))
        with house.occupancy.request(1), pytest.raises(Unavailable, match="queue"):
            await hear(house)

    kit.run(run())


@pytest.mark.parametrize(
    "name", ["ggml-tiny.en", "whisper-1", "default", "whisper-1:latest", "ear"]
)
def test_one_model_has_several_names(kit: Any, name: str) -> None:
    async def run() -> None:
        house = house_of(kit, models=Models(aliases={"ear": "whisper-1"}))
        found = house.service.speech.model("transcriber", name)
        assert found.id == "ggml-tiny.en"
        with pytest.raises(ModelNotFound, match=r"no voice is called .* there is 'en_US-joe'"):
            house.service.speech.model("voice", "whisper-1")

    kit.run(run())


def test_what_is_not_configured_is_told_with_its_key(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, speech=Speech())
        with pytest.raises(ModelNotFound, match=r"`speech\.voice`"):
            house.service.speech.model("voice", "tts-1")

    kit.run(run())


def test_the_task_is_made_for_the_threads_that_are_allowed(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        speech = house.service.speech
        voice = speech.model("voice", "tts-1")
        told = speech.run(voice, lambda threads: Speak(str(voice.path), threads, "Hi"), OWN_APP)
        assert len([event async for event in told]) == 2
        assert house.companion.tasks == [Speak("/models/en_US-joe.onnx", 2, "Hi")]

    kit.run(run())
