"""The near question with the best odds is found, and comparisons of answers outlive restarts."""

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
from edge_rt.generation.cache import semantic
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import Comparison, Question, SemanticCache, same_text
from edge_rt.generation.cache.tables import vector
from edge_rt.testing.board import FakeClock

T = TypeVar("T")
SCOPE, TAUGHT = b"s" * 32, b"u" * 32
RIVERS, ALSO = "Name three rivers.", "Name 3 rivers."
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


async def teach(cache: SemanticCache) -> None:
    """Have answers to 300 questions compared with those to one that means the same, or not."""
    for number in range(300):
        word, answer = ("3", "a.") if number % 2 else ("four", "B")
        cache.keep(kept(2 * number), question(f"Name three thing{number}.", scope=TAUGHT))
        asked = question(f"Name {word} thing{number}.", scope=TAUGHT)
        near = await cache.find(asked)
        assert near is not None
        cache.compare(Comparison(asked, kept(2 * number + 1), "A", near, answer))
        cache.forget(near.key)


def test_without_comparisons_nothing_passes(made: Any) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question(RIVERS))
        found = await cache.find(question(RIVERS.upper(), [1.0, 1.0, 1.0, 1.0]))
        assert found is not None
        assert (found.key, found.text, found.passes) == (key(1), RIVERS, False)
        assert 0.99 < found.cosine < 1
        await cache.close()

    run(work)


def test_what_was_compared_decides_also_after_a_restart(made: Any) -> None:
    async def work() -> None:
        first = made(most=1000)
        await teach(first)
        await first.close()
        again = made()
        async with living(again, 300):
            for cache in (first, again):
                cache.keep(kept(9000), question(RIVERS))
                same, other = [
                    await cache.find(question(text)) for text in (ALSO, "Name four rivers.")
                ]
                assert same is not None
                assert other is not None
                assert (same.passes, other.passes) == (True, False)
                assert same.doubt < other.doubt
                assert cache.comparisons() == 300
                cache.forget(key(9000))

    run(work)


def test_forgotten_answers_take_their_comparisons_with_them(made: Any) -> None:
    async def work() -> None:
        cache = made()
        await teach(cache)
        async with living(cache, 0):
            await cache.purge(Which(client="uid:1"))
            cache.keep(kept(9000), question(RIVERS))
            found = await cache.find(question(ALSO))
            assert found is not None
            assert (found.passes, cache.comparisons()) == (False, 0)

    run(work)


def test_vectors_of_another_model_have_their_own_comparisons(made: Any) -> None:
    async def work() -> None:
        cache = made()
        await teach(cache)
        cache.keep(kept(9000), question(RIVERS))
        found = await cache.find(question(ALSO)._replace(space=b"another"))
        assert found is not None
        assert not found.passes
        await cache.close()

    run(work)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Paris.", " paris", True),
        ("Die  Stra\u00dfe\n", "die Strasse.", True),
        ("\uff11\uff12", "12", True),
        ("12", "13", False),
        ("Not Paris.", "Paris.", False),
        ("", "Paris", False),
    ],
)
def test_answers_are_the_same_but_for_case_spaces_and_their_end(
    one: str, other: str, same: bool
) -> None:
    assert same_text(one, other) == same


@pytest.mark.parametrize(
    "asked",
    [
        question(ALSO, scope=b"t" * 32),
        question(ALSO, [1.0, -1.0, 1.0, -1.0]),
        question(ALSO, [1.0] * 8),
    ],
)
def test_what_differs_is_not_near(made: Any, asked: Question) -> None:
    async def work() -> None:
        cache = made()
        cache.keep(kept(1), question(RIVERS))
        assert await cache.find(asked) is None
        await cache.close()

    run(work)


def test_the_best_odds_decide_and_not_the_nearest(made: Any) -> None:
    async def work() -> None:
        cache = made()
        await teach(cache)
        cache.keep(kept(9000), question("Name four rivers."))
        cache.keep(kept(9001), question(RIVERS, [1.0, 1.0, 0.9, 0.9]))
        found = await cache.find(question(ALSO))
        assert found is not None
        assert found.key == key(9001)
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
            assert await again.find(question("Name 4 rivers.")) is not None

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
            found = await cache.find(question(ALSO))
            assert found is not None
            assert found.text == "Who was Ada?"
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
        keys = {near.key for near in [await cache.find(question("Name 2 rivers."))] if near}
        assert keys <= {key(2), key(3), key(4)}
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
    figures = semantic.figures

    def judged(*both: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return figures(*both)

    monkeypatch.setattr("edge_rt.generation.cache.semantic.figures", judged)

    async def work() -> None:
        cache = made()
        for number, text in enumerate((RIVERS, f"{RIVERS} {'They flow far. ' * 20}")):
            scope = bytes([number]) * 32
            cache.keep(kept(number), question(text, scope=scope))
            assert await cache.find(question(text, scope=scope)) is not None
        await cache.close()

    run(work)
    assert threads == [True, False]


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
