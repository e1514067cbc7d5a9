"""A question gets the answer to one that means the same, and to no other."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cache_help import NOW, kept, key

from edge_rt.core.cached import Which
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import LIMIT, Question, SemanticCache, Verdict, judge
from edge_rt.generation.cache.tables import vector
from edge_rt.generation.cache.wording import wording
from edge_rt.testing.board import FakeClock

T = TypeVar("T")
SCOPE = b"s" * 32
RIVERS, ALSO = "Name three rivers.", "Please name 3 rivers."
NEAR = [1.0, 1.0, 1.0, 0.9]


def question(text: str, point: list[float] = NEAR, scope: bytes = SCOPE) -> Question:
    return Question(scope, text, vector(array("f", point).tobytes()))


@pytest.fixture
def made(make: Callable[..., ExactCache]) -> Callable[..., SemanticCache]:
    def made(most: int = 1000, **options: Any) -> SemanticCache:
        return SemanticCache(make(**options), most=most)

    return made


def run(work: Callable[[], Awaitable[T]]) -> T:
    async def done() -> T:
        return await work()

    return asyncio.run(asyncio.wait_for(done(), 20))


@asynccontextmanager
async def living(cache: SemanticCache, questions: int) -> AsyncGenerator[None]:
    """At work while the block runs, from when it knows so many questions."""
    task = asyncio.create_task(cache.run())
    while len(cache) < questions:
        await asyncio.sleep(0.001)
    yield
    task.cancel()
    await cache.close()


def test_another_wording_is_found_and_told(made: Any) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question(RIVERS))
        found = await cache.find(question(ALSO, [1.0, 1.0, 1.0, 1.0]))
        assert found is not None
        assert (found.key, found.text) == (key(1), RIVERS)
        assert 0.99 < found.cosine < 1
        assert 0 < found.doubt <= LIMIT
        await cache.close()

    run(work)


@pytest.mark.parametrize(
    "asked",
    [
        question("Name four rivers."),
        question(ALSO, scope=b"t" * 32),
        question(ALSO, [1.0, -1.0, 1.0, -1.0]),
        question("Draw a picture of a lonely horse in the rain."),
        question(ALSO, [1.0] * 8),
    ],
)
def test_what_differs_is_not(made: Any, asked: Question) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question(RIVERS))
        assert await cache.find(asked) is None
        await cache.close()

    run(work)


def test_one_that_is_kept_apart_does_not_hide_the_next(made: Any) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question("Name four rivers."))
        cache.keep(kept(2), question(RIVERS, [1.0, 1.0, 0.9, 0.9]))
        found = await cache.find(question(ALSO))
        assert found is not None
        assert found.key == key(2)
        await cache.close()

    run(work)


def test_the_least_doubt_decides_and_not_the_nearest(made: Any) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question("It rained a lot in Rome and in the hills.", NEAR))
        cache.keep(kept(2), question("It rained a lot in Rome.", [1.0, 1.0, 0.9, 0.9]))
        found = await cache.find(question("In Rome it rained a lot."))
        assert found is not None
        assert found.key == key(2)
        await cache.close()

    run(work)


def test_questions_outlive_a_restart(made: Any) -> None:
    async def work() -> None:
        first = made()
        for number in range(5):
            first.keep(kept(number), question(f"Name {number + 2} rivers."))
        await first.close()
        again = made()
        async with living(again, 5):
            found = await again.find(question("Please name 4 rivers."))
            assert found is not None
            assert found.key == key(2)

    run(work)


def test_a_file_that_cannot_be_read_at_first_is_read_later(made: Any, path: Path) -> None:
    async def work() -> None:
        first = made()
        first.keep(kept(1), question(RIVERS))
        await first.close()
        path.rename(path.with_name("aside"))
        path.mkdir()

        async def pause(seconds: float) -> None:
            await asyncio.sleep(0)
            if path.is_dir():
                path.rmdir()
                path.with_name("aside").rename(path)

        again = made()
        task = asyncio.create_task(again.run(pause))
        while len(again) < 1:
            await asyncio.sleep(0.001)
        assert await again.find(question(ALSO)) is not None
        task.cancel()
        await again.close()

    run(work)


def test_what_is_forgotten_is_not_found_again(made: Any, clock: FakeClock) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1, model="a"), question(RIVERS))
        cache.keep(kept(2, model="b"), question("Who was Ada?"))
        async with living(cache, 2):
            await cache.purge(Which(model="a"))
            while len(cache) != 1:
                await asyncio.sleep(0.001)
            assert await cache.find(question(ALSO)) is None
            assert await cache.find(question("Who was Ada?")) is not None
            cache.forget(key(2))
            assert await cache.find(question("Who was Ada?")) is None

    run(work)


def test_questions_have_their_time(made: Any, clock: FakeClock) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question(RIVERS))
        clock.now = NOW + 1000
        assert await cache.find(question(ALSO)) is None
        assert len(cache) == 0
        await cache.close()

    run(work)


def test_memory_has_the_newest_questions_only(made: Any) -> None:
    async def work() -> None:
        cache = made(most=3)
        for number in range(5):
            cache.keep(kept(number), question(f"Name {number + 2} rivers."))
        assert len(cache) == 3
        assert await cache.find(question("Name 2 rivers.")) is None
        assert await cache.find(question("Name 6 rivers.")) is not None
        await cache.close()

    run(work)


def test_many_questions_are_compared_beside_the_loop(made: Any) -> None:
    async def work() -> None:
        cache = made(most=5000, max_bytes=8 << 20)
        for number in range(2100):
            cache.keep(kept(number), question(f"Name {number + 2} rivers.", [1.0, -1.0, 1.0, -1.0]))
        cache.keep(kept(5000), question(RIVERS))
        found = await cache.find(question(ALSO))
        assert found is not None
        assert found.key == key(5000)
        await cache.close()

    run(work)


def test_long_texts_are_judged_beside_the_loop(made: Any, monkeypatch: Any) -> None:
    threads: list[bool] = []

    def judged(*both: Any) -> Verdict:
        threads.append(threading.current_thread() is threading.main_thread())
        return judge(*both)

    monkeypatch.setattr("edge_rt.generation.cache.semantic.judge", judged)

    async def work() -> None:
        cache = made()
        for number, text in enumerate((RIVERS, f"{RIVERS} {'They flow far. ' * 20}")):
            scope = bytes([number]) * 32
            cache.keep(kept(number), question(text, scope=scope))
            assert await cache.find(question(text, scope=scope)) is not None
        await cache.close()

    run(work)
    assert threads == [True, False]


def test_what_a_guard_forbids_is_not_compared_any_further(monkeypatch: Any) -> None:
    monkeypatch.setattr("edge_rt.generation.cache.semantic.doubt", None)
    near = vector(array("f", NEAR).tobytes())
    verdict = judge((wording(RIVERS), near), (wording("Name four rivers."), near))
    assert (verdict.guard, verdict.doubt, verdict.passes(1.0)) == ("numbers", 1.0, False)


def test_a_damaged_file_costs_nothing_but_hits(made: Any, path: Path) -> None:
    async def work() -> None:
        first = made()
        first.keep(kept(1), question(RIVERS))
        await first.close()
        path.write_bytes(b"\xff" * path.stat().st_size)
        cache = made()
        async with living(cache, 0):
            assert await cache.find(question(ALSO)) is None
            cache.keep(kept(2), question(RIVERS))
            assert await cache.find(question(ALSO)) is not None

    run(work)


def test_what_another_version_wrote_is_passed_over(made: Any, make: Any) -> None:
    async def work() -> None:
        store = make()
        store.keep(kept(1))  # no question
        await store.close()
        cache = made()
        cache.keep(kept(2), question(RIVERS))
        async with living(cache, 1):
            assert await cache.find(question(ALSO)) is not None
            assert len(cache) == 1

    run(work)
