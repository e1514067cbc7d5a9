"""Marks are kept by model and mode, over a restart, until somebody has them forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_rt.routing.feedback import KEPT, FeedbackStore, MarkFilter
from edge_rt.testing.board import FakeClock


@asynccontextmanager
async def opened(path: Path, clock: FakeClock | None = None) -> AsyncGenerator[FeedbackStore]:
    """Feedback whose file was read, at work while the block runs."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(0)

    feedback = FeedbackStore(path, clock or FakeClock(), pause)
    await feedback._do(lambda table: table.sums())
    task = asyncio.create_task(feedback.run())
    while not feedback._news._waiters:
        await asyncio.sleep(0.001)
    yield feedback
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await feedback.close()


def told(feedback: FeedbackStore) -> list[tuple[str, str, float, float]]:
    return [(m.model, m.mode, m.good, m.bad) for m in feedback.report().marks]


def running(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path / "router.db"))

    return run


@running
async def test_marks_are_summed_by_model_and_mode_over_a_restart(path: Path) -> None:
    clock = FakeClock()
    async with opened(path, clock) as feedback:
        feedback.served("a", "big", "single")
        feedback.served("b", "tiny", "switch:ead")
        assert feedback.mark("a", 1.0)
        assert feedback.mark("b", 0.0)
        clock.now += 1.0
        assert feedback.mark("a", 0.25)
        known = told(feedback)
    assert known == [("big", "single", 1.25, 0.75), ("tiny", "switch:ead", 0.0, 1.0)]
    async with opened(path) as feedback:
        assert told(feedback) == known
        assert feedback.report().stored


@running
async def test_an_answer_that_is_not_known_cannot_be_marked(path: Path) -> None:
    async with opened(path) as feedback:
        assert not feedback.mark("a", 1.0)
        for number in range(KEPT + 1):
            feedback.served(str(number), "big", "single")
        assert not feedback.mark("0", 1.0)
        assert feedback.mark("1", 1.0)


@running
async def test_what_is_forgotten_stays_forgotten(path: Path) -> None:
    async with opened(path) as feedback:
        for id, model, mode in (("a", "big", "single"), ("b", "tiny", "single")):
            feedback.served(id, model, mode)
            feedback.mark(id, 1.0)
    async with opened(path) as feedback:
        assert feedback.reset(MarkFilter(model="big")) == 1
        assert told(feedback) == [("tiny", "single", 1.0, 0.0)]
    async with opened(path) as feedback:
        assert told(feedback) == [("tiny", "single", 1.0, 0.0)]
        assert feedback.reset(MarkFilter(mode="lookup")) == 0
        assert feedback.reset(MarkFilter()) == 1
    async with opened(path) as feedback:
        assert told(feedback) == []


@running
async def test_marks_that_come_before_the_file_is_read_are_added(path: Path) -> None:
    async with opened(path) as feedback:
        feedback.served("a", "big", "single")
        feedback.mark("a", 1.0)
    feedback = FeedbackStore(path, FakeClock())
    feedback.served("b", "big", "single")
    feedback.mark("b", 0.0)
    task = asyncio.create_task(feedback.run())
    while told(feedback) != [("big", "single", 1.0, 1.0)]:
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await feedback.close()


@running
async def test_what_cannot_be_written_is_written_later(path: Path) -> None:
    feedback = FeedbackStore(path, FakeClock())
    feedback.served("a", "big", "single")
    feedback.served("b", "tiny", "single")
    feedback.mark("a", 1.0)
    feedback.mark("b", 1.0)
    path.mkdir()
    await feedback.write()
    assert not feedback.report().stored
    feedback.reset(MarkFilter(model="big"))
    path.rmdir()
    await feedback.close()
    assert feedback.report().stored
    async with opened(path) as again:
        assert told(again) == [("tiny", "single", 1.0, 0.0)]


def test_a_file_of_sums_by_kinds_of_prompts_is_used_on(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "router.db"
    asyncio.run(_mark(path))
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE marks")
        database.execute("CREATE TABLE cells (model TEXT)")
    database.close()
    assert asyncio.run(_mark(path)) == [("big", "single", 1.0, 0.0)]


async def _mark(path: Path) -> list[tuple[str, str, float, float]]:
    async with opened(path) as feedback:
        feedback.served("a", "big", "single")
        feedback.mark("a", 1.0)
        return told(feedback)


@pytest.mark.parametrize("which", [MarkFilter("big"), MarkFilter("big", "single"), MarkFilter()])
def test_a_filter_selects_by_what_it_names(which: MarkFilter) -> None:
    assert which.fits("big", "single")
    assert which.fits("tiny", "single") == (which.model is None)
