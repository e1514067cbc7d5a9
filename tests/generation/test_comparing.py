"""Answers are compared in idle and cool time, by a model that has a budget of joules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from edge_rt.core.cached import Kept
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.events import Delta
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.requests import Call, Cost, Event
from edge_rt.generation.cache.semantic import Comparison, Neighbour, Question
from edge_rt.generation.cache.tables import Vector
from edge_rt.generation.comparing import PERIOD_S, RETRY_S, UNKNOWN, WAITING, Comparing
from edge_rt.testing.board import FakeClock

POINT = Vector(bytes(4), 0)


def comparison(number: int, answer: str, other: str) -> Comparison:
    kept = Kept(bytes([number]), "m", "uid:1", 0.0, b"")
    near = Neighbour(b"n", f"near {number}", 0.9, [], 0.0, False)
    return Comparison(Question(b"", f"asked {number}", POINT), kept, answer, near, other)


@dataclass
class Cache:
    """Takes what is learnt, in the place of the semantic cache."""

    learnt: list[tuple[str, bool]] = field(default_factory=list)
    compare: Callable[[Comparison], None] = lambda _: None
    verdicts_j: float = 0.0

    def learn(self, compared: Comparison, same: bool) -> None:
        self.learnt.append((compared.asked.text, same))


@dataclass
class Bench:
    """A board on which verdicts are had, and what happens to it while seconds pass."""

    hourly_j: float = 100.0
    energy_j: float | None = 2.0
    says: tuple[str, str] = ("yes", "no")  # to each of the two checks
    cool: bool = True
    calls: list[Call] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.clock, self.cache = FakeClock(0.0), Cache()
        self.occupancy = Occupancy(self.clock)
        self.comparing = Comparing(
            self.cache,  # type: ignore[arg-type]
            "judge",
            self.hourly_j,
            self.occupancy,
            lambda: self.cool,
            self.render,
            self.generate,
            self.clock,
            self.pause,
        )

    async def render(self, model: str, prompt: ChatPrompt) -> str:
        assert (model, prompt.think) == ("judge", "off")
        self.prompts.append(prompt.messages[0]["content"])
        return "prompt"

    async def generate(self, call: Call) -> AsyncGenerator[Event, None]:
        assert self.occupancy.ahead == 1
        self.calls.append(call)
        if self.faults:
            raise self.faults.pop()
        yield Delta(1, 0, self.says["wrong" in self.prompts[-1]], [1], [])
        yield Cost(self.energy_j, "measured", None, None, 1.0)

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.clock.now += seconds
        self.meanwhile()
        await asyncio.sleep(0)

    def until(self, count: int) -> list[tuple[str, bool]]:
        """Run until so many comparisons were learnt."""

        async def work() -> None:
            task = asyncio.create_task(self.comparing.run())
            while len(self.cache.learnt) < count:
                await asyncio.sleep(0)
                assert not task.done(), task.exception()
            task.cancel()

        run(work())
        return self.cache.learnt


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


@pytest.mark.parametrize(
    ("says", "same", "checks"),
    [
        (("yes", "no"), True, 2),
        (("no", "no"), False, 1),
        (("yes", "yes"), False, 2),  # whatever it is asked
        (("no", "yes"), False, 1),
    ],
)
def test_a_model_judges_answers_with_other_words(
    says: tuple[str, str], same: bool, checks: int
) -> None:
    bench = Bench(says=says)
    bench.cache.compare(comparison(1, "It is Paris.", "Paris"))
    assert bench.until(1) == [("asked 1", same)]
    assert all(word in bench.prompts[0] for word in ("near 1", "asked 1", "It is Paris.", "Paris"))
    call, *others = bench.calls
    assert len(others) == checks - 1
    assert call.constraint is not None
    assert (call.id, call.plan.model, call.constraint.text) == (
        "compare-1",
        "judge",
        '["yes", "no"]',
    )
    assert (bench.cache.verdicts_j, bench.occupancy.ahead) == (2.0 * checks, 0)


def test_the_same_words_need_no_model() -> None:
    bench = Bench()
    bench.comparing.add(comparison(1, "Paris", "paris."))
    assert bench.until(1) == [("asked 1", True)]
    assert bench.calls == []


def test_verdicts_wait_until_the_board_is_idle_and_cool() -> None:
    bench = Bench(cool=False)
    bench.occupancy.active = 1
    states: list[tuple[int, bool]] = []

    def meanwhile() -> None:
        states.append((bench.occupancy.active, bench.cool))
        bench.occupancy.active = int(len(states) < 3)
        bench.cool = len(states) > 5

    bench.meanwhile = meanwhile
    bench.comparing.add(comparison(1, "a", "b"))
    bench.until(1)
    assert states == [(1, False)] * 3 + [(0, False)] * 3
    assert len(bench.calls) == 2


@pytest.mark.parametrize(("energy_j", "most"), [(30.0, 4), (None, UNKNOWN)])
def test_the_joules_of_an_hour_are_kept(energy_j: float | None, most: int) -> None:
    bench = Bench(energy_j=energy_j, says=("no", "no"))
    for number in range(most + 1):
        bench.comparing.add(comparison(number, "a", "b"))
    bench.until(most)
    assert bench.clock.now < PERIOD_S
    bench.until(most + 1)
    assert bench.clock.now >= PERIOD_S


def test_none_is_lost_to_a_fault_and_all_keep_their_order() -> None:
    bench = Bench(faults=[Unavailable("too hot", retry_after_s=1.0)])
    bench.comparing.add(comparison(1, "a", "b"))
    bench.comparing.add(comparison(2, "same", "same"))
    assert [text for text, _ in bench.until(2)] == ["asked 1", "asked 2"]
    assert bench.paused == [RETRY_S]


def test_one_that_the_model_cannot_read_is_passed_over() -> None:
    bench = Bench(faults=[RequestError("the prompt is too long", code="context_length_exceeded")])
    bench.comparing.add(comparison(1, "a", "b"))
    bench.comparing.add(comparison(2, "c", "d"))
    assert bench.until(1) == [("asked 2", True)]
    assert bench.paused == []


def test_of_too_many_the_oldest_go() -> None:
    bench = Bench()
    for number in range(WAITING + 5):
        bench.comparing.add(comparison(number % 256, f"{number}", f"{number}"))
    assert len(bench.until(WAITING)) == WAITING
    assert bench.cache.learnt[0] == ("asked 5", True)
