"""What the engine says of itself becomes what it did between two looks."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from edge_rt.engine.channel import Heartbeat
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import Pong
from edge_rt.governor.observation import Done, EngineWatch


class Engine:
    """Answers a ping with the next of its `pongs`, or once it is told to."""

    beat: Heartbeat | None = None

    def __init__(self) -> None:
        self.pings = 0
        self.answers: asyncio.Queue[Pong | Exception] = asyncio.Queue()

    def says(self, **counters: Any) -> None:
        fields: dict[str, Any] = {"running": 0, "waiting": 0, "native_s": 0.0}
        self.answers.put_nowait(
            Pong(nonce=1, rss_bytes=1, threads=2, steps=0, step_s=0.0, **{**fields, **counters})
        )

    def dies(self) -> None:
        self.answers.put_nowait(EngineLost("gone"))

    async def ping(self) -> Pong:
        self.pings += 1
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer


def look(watch: EngineWatch, engine: Engine | None) -> Awaitable[Done]:
    return watch.look(cast("EngineClient | None", engine))


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run `test`, during which asyncio has nothing to complain of."""
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
        await asyncio.wait_for(test(), 10)
        gc.collect()

    asyncio.run(main())
    gc.collect()
    assert complaints == []


def test_what_was_done_since_the_last_look() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        before = {"native_s": 5.0, "read_s": 2.0, "spare_s": 4.0, "drawn": 100, "read": 400}
        now = {"native_s": 5.75, "read_s": 2.25, "spare_s": 4.5, "drawn": 110, "read": 464}
        engine.says(**before, running=1)
        engine.says(**now, running=2, waiting=3)
        engine.says(**now)
        assert await look(watch, engine) == Done(running=1)  # since when is not known
        assert await look(watch, engine) == Done(0.75, 0.25, 10, 64, 2, 3, 0.5)
        assert await look(watch, engine) == Done()

    run(test)


def test_passes_on_a_gpu_are_told_as_long_as_layers_lie_there() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        engine.says(native_s=1.0)
        engine.says(native_s=1.5, gpu_s=0.25, offloads=True, running=1)
        assert (await look(watch, engine)).gpu_s is None
        assert (await look(watch, engine)).gpu_s == 0.25
        assert (await look(watch, engine)).gpu_s == 0.0  # in a long pass
        assert watch.rest().gpu_s == 0.0
        engine.says(native_s=2.0, gpu_s=0.5)  # that was its last one
        assert (await look(watch, engine)).gpu_s == 0.25
        engine.says(native_s=2.5, gpu_s=0.5)
        assert (await look(watch, engine)).gpu_s is None
        assert watch.rest() == Done()

    run(test)


def test_a_pass_under_way_on_a_gpu_is_told_of_as_it_goes_on() -> None:
    async def test() -> None:
        now = [100.0]
        watch, engine = EngineWatch(0.01, lambda: now[0]), Engine()
        engine.beat = beat = Heartbeat()
        beat.pass_is_over(9.0, 6.0, 7.0)  # before anybody has looked
        engine.says(native_s=9.0, gpu_s=7.0, offloads=True, running=1)
        assert (await look(watch, engine)).gpu_s == 0.0
        beat.pass_begins(100.0, 0.5)
        found = []
        for now[0] in (100.25, 100.75):
            found.append((await look(watch, engine)).gpu_s)
        beat.pass_is_over(10.0, 6.5, 8.0)
        engine.says(native_s=10.0, gpu_s=8.0, offloads=True)
        now[0] = 101.5
        found.append((await look(watch, engine)).gpu_s)
        assert found == pytest.approx([0.25, 0.5, 0.25])
        beat.pass_begins(101.5, 0.0)  # of a model on the CPU
        now[0] = 102.0
        assert watch.rest().gpu_s == 0.0

    run(test)


def test_a_pass_that_fails_on_a_gpu_takes_nothing_back() -> None:
    async def test() -> None:
        now = [100.0]
        watch, engine = EngineWatch(0.01, lambda: now[0]), Engine()
        engine.beat = beat = Heartbeat()
        engine.says(offloads=True)
        await look(watch, engine)
        beat.pass_begins(100.0, 1.0)
        now[0] = 100.5
        assert watch.rest().gpu_s == 0.5
        beat.note()
        assert watch.rest().gpu_s == 0.0
        beat.pass_is_over(0.75, 0.75, 0.75)
        assert watch.rest().gpu_s == 0.25

    run(test)


def test_without_an_engine_nothing_is_done() -> None:
    async def test() -> None:
        assert await look(EngineWatch(0.01), None) == Done()

    run(test)


def test_a_long_pass_is_told_once_it_is_over() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        engine.says(running=1, waiting=2)
        await look(watch, engine)
        assert await look(watch, engine) == Done(running=1, waiting=2)  # as before
        assert await look(watch, engine) == Done(running=1, waiting=2)
        assert engine.pings == 2  # it is asked once
        engine.says(native_s=1.5, read_s=1.5, read=300, running=1)
        assert await look(watch, engine) == Done(1.5, 1.5, 0, 300, 1, 0)
        assert engine.pings == 2
        engine.says(native_s=1.75, read_s=1.5, read=300, drawn=2)
        assert await look(watch, engine) == Done(0.25, 0.0, 2, 0, 0, 0)

    run(test)


def test_a_long_first_pass() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        assert await look(watch, engine) == Done()
        engine.says(native_s=3.0, running=1)
        assert await look(watch, engine) == Done(running=1)

    run(test)


def test_another_engine_counts_from_nothing() -> None:
    async def test() -> None:
        watch, old, new = EngineWatch(0.01), Engine(), Engine()
        old.says(native_s=5.0, drawn=100, running=1)
        await look(watch, old)
        new.says(native_s=0.5, drawn=10, running=1)
        new.says(native_s=0.75, drawn=13, running=1)
        assert await look(watch, new) == Done(running=1)
        assert await look(watch, new) == Done(0.25, 0.0, 3, 0, 1, 0)

    run(test)


def test_a_lost_engine_has_nothing_running() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        engine.says(running=1, waiting=1, native_s=1.0)
        await look(watch, engine)
        engine.dies()
        assert await look(watch, engine) == Done()
        assert await look(watch, None) == Done()

    run(test)


def test_an_engine_that_is_lost_while_it_is_asked_raises_no_complaint() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        await look(watch, engine)  # in a long pass
        engine.dies()
        await asyncio.sleep(0.01)
        assert await look(watch, None) == Done()

    run(test)


def test_the_last_engines_answer_is_not_the_next_ones() -> None:
    async def test() -> None:
        watch, old, new = EngineWatch(0.01), Engine(), Engine()
        await look(watch, old)
        new.says(native_s=0.5, running=1)
        assert await look(watch, new) == Done(running=1)
        old.says(native_s=9.0, running=9)
        new.says(native_s=0.75)
        assert await look(watch, new) == Done(busy_s=0.25)

    run(test)


def test_a_look_that_is_broken_off_leaves_the_question_open() -> None:
    async def test() -> None:
        watch, engine = EngineWatch(0.01), Engine()
        broken = asyncio.ensure_future(look(watch, engine))
        await asyncio.sleep(0)
        broken.cancel()
        await asyncio.gather(broken, return_exceptions=True)
        engine.says(running=1)
        assert await look(watch, engine) == Done(running=1)
        assert engine.pings == 1
        await look(watch, engine)
        before = asyncio.all_tasks()
        watch.close()
        watch.close()
        await asyncio.sleep(0)
        assert len(before - asyncio.all_tasks()) == 1  # nobody waits for it any more

    run(test)
