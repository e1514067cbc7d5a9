"""What came of an answer, and its mark, belong to the choice that it was made by, and are kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edge_rt.core.routing import RunConfig, Served
from edge_rt.routing.choice.trace import Candidate, Considered, Trace
from edge_rt.routing.quality.learner import ArmEstimate, ArmFilter
from edge_rt.routing.quality.learning import KEPT, REST_S, Learning

NOW = 1_800_000_000.0
MATHS = ("maths", "short", "plain")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "router.db"


@pytest.fixture
def learning(path: Path) -> Learning:
    return Learning(path, lambda: NOW)


def trace(model: str = "tiny", **changes: Any) -> Trace:
    fields: dict[str, Any] = {
        "setting": RunConfig(model, 2, 0, "single", "f16"),
        "backend": "llama.cpp",
        "quantisation": "Q4_0",
        "context": 2048,
        "quality": 0.7,
        "cpq": 0.1,
        "loaded": True,
        "age_s": None,
        "prefill_s": 1.0,
        "decode_s": 3.0,
        "seconds": 4.0,
        "energy_j": 20.0,
        "learnt": ArmEstimate(MATHS, 0.7, 0.7),
    }
    chosen = Candidate(**{**fields, **changes})
    return Trace("auto", "energy", True, False, "why", [Considered(chosen, "chosen", "why")])


def served(seconds: float = 4.0, energy_j: float | None = 20.0) -> Served:
    return Served(10, 0, 20, seconds / 4.0, seconds * 3.0 / 4.0, energy_j)


def restarted(path: Path) -> Learning:
    """One that has read what is kept."""
    again = Learning(path, lambda: NOW)

    async def read() -> None:
        reading = asyncio.create_task(again.run())
        while not again.report().arms and not reading.done():
            await asyncio.sleep(0.01)
        reading.cancel()

    asyncio.run(asyncio.wait_for(read(), 30.0))
    return again


def test_an_answer_is_held_against_what_was_foretold(learning: Learning) -> None:
    learning.chosen("a", trace())
    learning.took("a", served(8.0, 10.0))
    (arm,) = learning.report().arms
    assert (arm.model, arm.mode, arm.kind, arm.answers) == ("tiny", "single", "maths", 1.0)
    assert arm.joules_ratio == pytest.approx(0.5**0.2, abs=1e-3)
    assert arm.seconds_ratio == pytest.approx(2.0**0.2, abs=1e-3)


def test_what_was_learnt_before_is_no_part_of_what_was_foretold(learning: Learning) -> None:
    learnt = ArmEstimate(MATHS, joules_ratio=2.0, seconds_ratio=4.0)
    learning.chosen("a", trace(learnt=learnt))
    learning.took("a", served(1.0, 10.0))
    (arm,) = learning.report().arms
    assert (arm.joules_ratio, arm.seconds_ratio) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "came"),
    [
        ({"loaded": False}, served()),  # what loading takes is not the answer's
        ({"energy_j": None}, served()),
        ({}, served(energy_j=None)),
        ({"learnt": None}, served()),
    ],
)
def test_what_cannot_be_compared_teaches_nothing(
    learning: Learning, changes: dict, came: Served
) -> None:
    learning.chosen("a", trace(**changes))
    learning.took("a", came)
    learning.took("b", served())
    assert learning.report().arms == []


def test_a_mark_is_for_the_arm_that_was_chosen(learning: Learning) -> None:
    learning.chosen("a", trace("big"))
    assert learning.mark("a", 0.0, 0.5)
    assert not learning.mark("b", 0.0, 1.0)
    (arm,) = learning.report().arms
    assert (arm.model, arm.good, arm.bad) == ("big", 0.0, 0.5)


def test_who_was_asked_by_name_is_marked_too(learning: Learning) -> None:
    learning.named("a", "big", "switch:ead", MATHS, "b")
    learning.took("a", served())
    assert learning.report().arms == []
    assert learning.mark("a", 1.0, 1.0)
    (arm,) = learning.report().arms
    assert (arm.model, arm.mode, arm.kind, arm.good) == ("big", "switch:ead", "maths", 1.0)


def test_what_was_made_otherwise_than_chosen_counts_as_it_was_made(learning: Learning) -> None:
    switch = RunConfig("tiny", 2, 0, "switch:step", "f16", "small")
    for id, mode in (("a", "single"), ("b", "switch:step"), ("c", "single")):
        learning.chosen(id, trace(setting=switch, file="a+b"))
        learning.made(id, mode)
        learning.took(id, served())
        learning.mark(id, 1.0, 1.0)
    learning.named("d", "tiny", "single", MATHS, "a")
    learning.mark("d", 1.0, 1.0)
    arms = {arm.mode: (arm.good, arm.answers) for arm in learning.report().arms}
    assert arms == {"single": (3.0, 0.0), "switch:step": (1.0, 1.0)}


def test_so_many_answers_can_be_marked(learning: Learning) -> None:
    for number in range(KEPT + 1):
        learning.chosen(f"a-{number}", trace())
    assert not learning.mark("a-0", 1.0, 1.0)
    assert learning.mark("a-1", 1.0, 1.0)


def test_it_outlives_the_daemon(learning: Learning, path: Path) -> None:
    learning.chosen("a", trace())
    learning.mark("a", 1.0, 1.0)
    asyncio.run(learning.close())
    assert [arm.good for arm in restarted(path).report().arms] == [1.0]


def test_what_was_forgotten_does_not_come_back(learning: Learning, path: Path) -> None:
    for model in ("tiny", "big"):
        learning.chosen(model, trace(model))
        learning.mark(model, 1.0, 1.0)
    asyncio.run(learning.write())
    assert learning.reset(ArmFilter(model="tiny")) == 1
    asyncio.run(learning.close())
    assert [arm.model for arm in restarted(path).report().arms] == ["big"]


def test_it_is_written_soon_and_then_not_all_the_time(path: Path) -> None:
    rests: list[float] = []

    async def run() -> None:
        written = asyncio.Event()

        async def pause(seconds: float) -> None:
            rests.append(seconds)
            written.set()

        learning = Learning(path, lambda: NOW, pause)
        writing = asyncio.create_task(learning.run())
        learning.chosen("a", trace())
        learning.mark("a", 1.0, 1.0)
        await asyncio.wait_for(written.wait(), 30.0)
        writing.cancel()

    asyncio.run(run())
    assert rests == [REST_S]
    assert [arm.good for arm in restarted(path).report().arms] == [1.0]  # as after a kill


def test_a_disk_that_fails_loses_nothing_while_the_daemon_runs(
    learning: Learning, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.mkdir()
    learning.chosen("a", trace())
    learning.mark("a", 1.0, 1.0)
    asyncio.run(learning.write())
    asyncio.run(learning.write())
    assert caplog.text.count("lost at the end") == 1
    assert not learning.report().stored
    path.rmdir()
    asyncio.run(learning.close())
    assert [arm.good for arm in restarted(path).report().arms] == [1.0]


def test_what_cannot_be_read_at_first_is_read_later(path: Path) -> None:
    before = Learning(path, lambda: NOW)
    before.chosen("a", trace())
    before.mark("a", 1.0, 1.0)
    asyncio.run(before.close())
    path.rename(path.with_name("kept"))
    path.mkdir()

    async def run() -> Learning:
        tries: list[float] = []

        async def pause(seconds: float) -> None:
            tries.append(seconds)
            if len(tries) == 2:
                path.rmdir()
                path.with_name("kept").rename(path)

        learning = Learning(path, lambda: NOW, pause)
        reading = asyncio.create_task(learning.run())
        while not learning.report().arms and not reading.done():
            await asyncio.sleep(0.01)
        reading.cancel()
        assert tries == [REST_S] * 2
        return learning

    learning = asyncio.run(asyncio.wait_for(run(), 120.0))
    assert [arm.good for arm in learning.report().arms] == [1.0]
    assert learning.report().stored


def test_a_model_that_took_the_place_of_another_begins_without_its_marks(
    learning: Learning,
) -> None:
    learning.chosen("cmpl-1", trace(file="a"))
    learning.named("cmpl-2", "tiny", "single", MATHS, "b")
    learning.mark("cmpl-1", 1.0, 1.0)
    learning.mark("cmpl-2", 0.0, 1.0)
    arms = learning.report().arms
    assert [(arm.model, arm.kind, arm.good, arm.bad) for arm in arms] == [
        ("tiny", "maths", 0.0, 1.0),
        ("tiny", "maths", 1.0, 0.0),
    ]
