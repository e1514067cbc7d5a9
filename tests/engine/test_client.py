"""The front's end of the socket against a scripted engine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import (
    EngineError,
    EngineStopped,
    ModelFileError,
    ProtocolError,
    RequestError,
    Unavailable,
)
from edge_rt.core.events import Delta, Embedded, Finished, Started, Timings
from edge_rt.engine.channel import Frames, encode, engine_decoder
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import (
    VERSION,
    AskPrefixes,
    Cancel,
    Embed,
    Failed,
    Generate,
    Hello,
    Loaded,
    LoadFailed,
    LoadModel,
    ModelSpec,
    Ping,
    Pong,
    SetLimits,
    Shutdown,
    StepOutput,
    ToEngine,
    ToFront,
    Unloaded,
    UnloadModel,
)

SPEC = ModelSpec("toy", "x", 96, 3)
TIMINGS = Timings(0.0, 0.0, 0.0, 1, 0, 1)


class Engine:
    """The other end: reads what the client sends, says what the test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._frames = Frames()
        self._got: list[ToEngine] = []

    async def next(self) -> Any:
        while not self._got:
            data = await asyncio.wait_for(self._reader.read(1 << 16), 10)
            assert data, "the client hung up"
            self._got += map(engine_decoder().decode, self._frames.feed(data))
        return self._got.pop(0)

    async def hung_up(self) -> bool:
        return await asyncio.wait_for(self._reader.read(1 << 16), 10) == b""

    def say(self, *messages: ToFront) -> None:
        self.writer.write(b"".join(map(encode, messages)))

    def die(self) -> None:
        self.writer.close()


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[EngineClient, Engine]]:
    ours, theirs = socket.socketpair()
    engine = Engine(*await asyncio.open_unix_connection(sock=theirs))
    engine.say(Hello(VERSION, 42, {"toy": "1"}))
    client = await EngineClient.connect(ours)
    try:
        yield client, engine
    finally:
        client.close()
        engine.die()
        await client.lost.wait()


def with_engine(test: Callable[[EngineClient, Engine], Awaitable[None]]) -> Callable[[], None]:
    """Run an async test between a client and its scripted engine; nothing may go wrong unseen."""

    async def run() -> None:
        complaints: list[dict] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        async with connected() as (client, engine):
            await asyncio.wait_for(test(client, engine), 20)
        assert not complaints

    def wrapper() -> None:
        asyncio.run(run())

    wrapper.__name__ = test.__name__
    wrapper.__doc__ = test.__doc__
    return wrapper


def make(id: int) -> Generate:
    return Generate(id, "toy", [5], False, Sampling(), 4)


def make_task(id: int) -> Embed:
    return Embed(id, "m", ["a"])


def make_two(id: int) -> Generate:
    return Generate(id, "toy", [5], False, Sampling(), 4, n=2)


def step(id: int, text: str, index: int = 0) -> StepOutput:
    return StepOutput([Delta(id, index, text, [1])])


def start(coroutine: Any) -> asyncio.Task:
    return asyncio.ensure_future(coroutine)


async def listed(events: AsyncGenerator) -> list:
    return [event async for event in events]


# --- greeting


@with_engine
async def test_a_client_knows_whom_it_talks_to(client: EngineClient, engine: Engine) -> None:
    assert client.hello == Hello(VERSION, 42, {"toy": "1"})


def failing_connect(first: bytes | None, timeout_s: float = 10) -> tuple[Exception, list[dict]]:
    """Return what connecting to an engine raises that begins with `first`; None: it hangs up."""

    async def run() -> tuple[Exception, list[dict]]:
        complaints: list[dict] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        ours, theirs = socket.socketpair()
        engine = Engine(*await asyncio.open_unix_connection(sock=theirs))
        if first is None:
            engine.die()
        else:
            engine.writer.write(first)
        with pytest.raises((EngineError, ProtocolError)) as caught:
            await EngineClient.connect(ours, timeout_s)
        assert first is None or await engine.hung_up()
        engine.die()
        return caught.value, complaints

    return asyncio.run(run())


def test_another_protocol_version_is_refused_with_both() -> None:
    error, complaints = failing_connect(encode(Hello(VERSION + 1, 42, {})))
    assert isinstance(error, ProtocolError)
    assert f"version {VERSION + 1}, not {VERSION}" in str(error)
    assert not complaints


def test_an_engine_that_hangs_up_at_once_is_lost() -> None:
    error, complaints = failing_connect(None)
    assert isinstance(error, EngineLost)
    assert not complaints


def test_an_engine_that_says_nothing_is_given_up() -> None:
    error, complaints = failing_connect(b"", timeout_s=0.01)
    assert "said nothing" in str(error)
    assert not complaints


def test_noise_in_place_of_hello_is_refused() -> None:
    error, _ = failing_connect(b"Traceback (most recent call last):\n")
    assert isinstance(error, EngineLost)


def test_giving_up_while_connecting_hangs_up() -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        engine = Engine(*await asyncio.open_unix_connection(sock=theirs))
        connecting = start(EngineClient.connect(ours))
        for _ in range(10):  # turns of the loop until it waits for the hello
            await asyncio.sleep(0)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        assert await engine.hung_up()
        engine.die()

    asyncio.run(run())


# --- requests


@with_engine
async def test_events_come_in_order_until_every_answer_ended(
    client: EngineClient, engine: Engine
) -> None:
    task = start(listed(client.generate(make_two)))
    id = (await engine.next()).id
    said = [
        Started(id, 1, 0),
        StepOutput([Delta(id, 0, "a", [1]), Delta(id, 1, "b", [2])]),
        Finished(id, 1, "stop", TIMINGS),
        step(id, "c"),
        Finished(id, 0, "length", TIMINGS),
    ]
    engine.say(*said)
    events = await task
    assert events == [said[0], *said[1].deltas, said[2], *said[3].deltas, said[4]]
    client.send(SetLimits(1))
    assert await engine.next() == SetLimits(1)  # and no Cancel before it


@with_engine
async def test_limits_are_told_as_they_were_set(client: EngineClient, engine: Engine) -> None:
    client.send(SetLimits(2, 0.5, prefill_chunk=32, prompt_duty=0.25))
    assert await engine.next() == SetLimits(2, 0.5, 32, 0.25)


@with_engine
async def test_the_most_threads_that_a_request_asks_for_are_known(
    client: EngineClient, engine: Engine
) -> None:
    def asking(threads: int) -> asyncio.Task:
        return start(listed(client.generate(lambda id: replace(make(id), threads=threads))))

    assert client.asked is None
    one, three = asking(1), asking(3)
    await asyncio.sleep(0)
    assert client.asked == 3
    task = start(listed(client.perform(make_task)))
    await asyncio.sleep(0)
    assert client.asked is None
    for gone, left in (((three, task), 1), ((one,), None)):
        for each in gone:
            each.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        assert client.asked == left


@with_engine
async def test_answers_that_are_done_are_not_waited_for(
    client: EngineClient, engine: Engine
) -> None:
    def resumed(id: int) -> Generate:
        return Generate(id, "toy", [5], False, Sampling(), 4, n=2, resume={0: [1]}, done=[0])

    task = start(listed(client.generate(resumed)))
    id = (await engine.next()).id
    engine.say(Finished(id, 1, "stop", TIMINGS))
    assert len(await task) == 1


@with_engine
async def test_requests_share_the_connection_without_mixing(
    client: EngineClient, engine: Engine
) -> None:
    tasks = [start(listed(client.generate(make))) for _ in range(3)]
    ids = [(await engine.next()).id for _ in tasks]
    assert len(set(ids)) == 3
    engine.say(StepOutput([Delta(id, 0, f"text {id}", [1]) for id in ids]))
    engine.say(*(Finished(id, 0, "stop", TIMINGS) for id in reversed(ids)))
    texts = [(await task)[0].text for task in tasks]
    assert texts == [f"text {id}" for id in ids]


@with_engine
async def test_a_task_is_over_with_its_answer(client: EngineClient, engine: Engine) -> None:
    task = start(listed(client.perform(make_task)))
    request = await engine.next()
    assert request == Embed(request.id, "m", ["a"])
    answer = Embedded(request.id, 1, b"1234", [3], TIMINGS)
    engine.say(Started(request.id, 3, 0), answer)
    assert await task == [Started(request.id, 3, 0), answer]
    client.shut_down()
    assert await engine.next() == Shutdown()  # and no Cancel before it


@with_engine
async def test_a_task_that_nobody_waits_for_is_cancelled(
    client: EngineClient, engine: Engine
) -> None:
    task = start(listed(client.perform(make_task)))
    request = await engine.next()
    task.cancel()
    assert await engine.next() == Cancel(request.id)


@with_engine
async def test_a_task_that_fails_raises_why(client: EngineClient, engine: Engine) -> None:
    task = start(listed(client.perform(make_task)))
    request = await engine.next()
    engine.say(Failed(request.id, "too long", "input", "context_length_exceeded"))
    with pytest.raises(RequestError, match="too long"):
        await task


@with_engine
async def test_closing_early_cancels_once_and_ignores_what_is_under_way(
    client: EngineClient, engine: Engine
) -> None:
    async with aclosing(client.generate(make)) as events:
        first = start(anext(events))
        id = (await engine.next()).id
        engine.say(step(id, "a"))
        await first
    assert await engine.next() == Cancel(id)
    engine.say(step(id, "late"), Finished(id, 0, "stop", TIMINGS), Failed(id, "late"))
    ping = start(client.ping())
    nonce = (await engine.next()).nonce  # the Cancel came once
    engine.say(Pong(nonce, 1, 1, 0, 0, 0, 0.0, 0.0))
    await ping


@with_engine
async def test_a_cancelled_task_cancels_its_request(client: EngineClient, engine: Engine) -> None:
    task = start(listed(client.generate(make)))
    id = (await engine.next()).id
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await engine.next() == Cancel(id)


@pytest.mark.parametrize(
    ("failed", "kind", "attributes"),
    [
        (
            Failed(0, "too long", "prompt", "context_length_exceeded"),
            RequestError,
            {"param": "prompt", "code": "context_length_exceeded"},
        ),
        (Failed(0, "bad", "stop"), RequestError, {"param": "stop", "code": None}),
        (
            Failed(0, "later", code="not_loaded", retry_after_s=1.0),
            Unavailable,
            {"code": "not_loaded", "retry_after_s": 1.0},
        ),
        (Failed(0, "later", retry_after_s=0.0), Unavailable, {"code": "unavailable"}),
        (Failed(0, "broken"), EngineError, {}),
    ],
)
def test_failures_become_errors_and_are_not_cancelled(
    failed: Failed, kind: type[Exception], attributes: dict
) -> None:
    @with_engine
    async def run(client: EngineClient, engine: Engine) -> None:
        task = start(listed(client.generate(make_two)))
        id = (await engine.next()).id
        engine.say(Failed(id, *[getattr(failed, f) for f in failed.__struct_fields__[1:]]))
        with pytest.raises(kind, match=failed.message) as caught:
            await task
        assert {name: getattr(caught.value, name) for name in attributes} == attributes
        client.shut_down()
        assert await engine.next() == Shutdown()

    run()


@with_engine
async def test_an_answer_that_ends_because_the_engine_was_told_to_stop_says_so(
    client: EngineClient, engine: Engine
) -> None:
    task = start(listed(client.generate(make_two)))
    id = (await engine.next()).id
    client.shut_down()
    engine.say(Failed(id, "the engine is shutting down"))
    with pytest.raises(EngineStopped, match="shutting down"):
        await task


@with_engine
async def test_an_engine_that_ends_by_force_when_told_to_stop_is_not_lost(
    client: EngineClient, engine: Engine
) -> None:
    task = start(listed(client.generate(make_two)))
    await engine.next()
    client.shut_down()
    engine.die()
    with pytest.raises(EngineStopped):
        await task


# --- models and figures


@with_engine
async def test_load_and_unload(client: EngineClient, engine: Engine) -> None:
    loading = start(client.load("toy", SPEC))
    assert await engine.next() == LoadModel("toy", SPEC)
    assert client.loading
    loaded = Loaded("toy", 0.5, 39, 96, 2)
    engine.say(Loaded("other", 0.1, 1, 1, 1), loaded)
    assert await loading == loaded
    assert not client.loading
    unloading = start(client.unload("toy"))
    assert await engine.next() == UnloadModel("toy")
    engine.say(Unloaded("toy"))
    await unloading


@with_engine
async def test_a_failed_load_raises_the_engines_words(client: EngineClient, engine: Engine) -> None:
    loading = start(client.load("toy", SPEC))
    await engine.next()
    engine.say(LoadFailed("toy", "bad magic"))
    with pytest.raises(ModelFileError, match="bad magic"):
        await loading


@with_engine
async def test_pongs_find_their_pings(client: EngineClient, engine: Engine) -> None:
    pings = [start(client.ping()) for _ in range(3)]
    nonces = [(await engine.next()).nonce for _ in pings]
    engine.say(*(Pong(n, n, 1, 0, 0, 0, 0.0, 0.0) for n in [999, *reversed(nonces)]))
    assert [(await ping).rss_bytes for ping in pings] == nonces


@with_engine
async def test_what_is_kept_of_prompts_is_told_and_forgotten(
    client: EngineClient, engine: Engine
) -> None:
    asking = [start(client.prefixes()), start(client.prefixes(Which("m", "uid:1", 5.0)))]
    plain, forgetting = [await engine.next() for _ in asking]
    assert plain == AskPrefixes(plain.nonce)
    assert forgetting == AskPrefixes(forgetting.nonce, Which("m", "uid:1", 5.0))
    told = [
        Prefixes(asked.nonce, True, forgotten=int(asked.forget is not None))
        for asked in (forgetting, plain)
    ]
    engine.say(*told)
    assert [(await one).forgotten for one in asking] == [0, 1]


# --- loss


@with_engine
async def test_losing_the_engine_ends_everything_under_way(
    client: EngineClient, engine: Engine
) -> None:
    tasks = [
        start(listed(client.generate(make))),
        start(client.load("toy", SPEC)),
        start(client.unload("other")),
        start(client.ping()),
    ]
    kinds = {type(await engine.next()) for _ in tasks}
    assert kinds == {Generate, LoadModel, UnloadModel, Ping}
    engine.die()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [EngineLost] * 4
    assert client.lost.is_set()


@with_engine
async def test_what_came_before_the_loss_is_still_heard(
    client: EngineClient, engine: Engine
) -> None:
    async with aclosing(client.generate(make)) as events:
        first = start(anext(events))
        id = (await engine.next()).id
        engine.say(Started(id, 1, 0), step(id, "a"))
        engine.die()
        await client.lost.wait()
        assert isinstance(await first, Started)
        assert (await anext(events)).text == "a"
        with pytest.raises(EngineLost):
            await anext(events)


@with_engine
async def test_a_lost_client_refuses_everything(client: EngineClient, engine: Engine) -> None:
    engine.die()
    await client.lost.wait()
    with pytest.raises(EngineLost):
        await client.ping()
    with pytest.raises(EngineLost):
        await listed(client.generate(make))
    with pytest.raises(EngineLost):
        client.send(SetLimits(1))
    client.shut_down()  # there is nothing left to shut down


@with_engine
async def test_a_request_that_is_closed_after_the_loss_says_nothing(
    client: EngineClient, engine: Engine
) -> None:
    async with aclosing(client.generate(make)) as events:
        first = start(anext(events))
        engine.say(Started((await engine.next()).id, 1, 0))
        await first
        engine.die()
        await client.lost.wait()


def test_noise_from_the_engine_is_a_loss() -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with connected() as (client, engine):
            ping = start(client.ping())
            await engine.next()
            engine.writer.write(b"\0\0\0\1\xc1")
            with pytest.raises(EngineLost):
                await ping

    asyncio.run(run())


@with_engine
async def test_an_engine_owes_a_sign_of_life_though_whoever_asked_has_left(
    client: EngineClient, engine: Engine
) -> None:
    assert not client.owes
    async with aclosing(client.generate(make)) as events:
        asking = asyncio.ensure_future(anext(events))
        request = await engine.next()
        assert client.owes
        client.nudge()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    nudge = await engine.next()
    assert (isinstance(nudge, Ping), await engine.next()) == (True, Cancel(request.id))
    assert client.owes
    engine.say(Pong(nudge.nonce, 1, 1, 0, 0, 0, 0.0, 0.0))
    pinged = asyncio.ensure_future(client.ping())
    engine.say(Pong((await engine.next()).nonce, 1, 1, 0, 0, 0, 0.0, 0.0))
    await pinged
    assert not client.owes


@with_engine
async def test_a_lost_engine_is_not_nudged(client: EngineClient, engine: Engine) -> None:
    engine.die()
    await client.lost.wait()
    client.nudge()
    assert not client.owes


@pytest.mark.parametrize("useful", [False, True])
def test_a_lost_engine_has_served_somebody_or_nobody(useful: bool) -> None:
    @with_engine
    async def run(client: EngineClient, engine: Engine) -> None:
        waits = start(listed(client.perform(make_task)))
        other = start(listed(client.generate(make)))
        await engine.next()
        id = (await engine.next()).id
        engine.say(Started(id, 1, 0), *([step(id, "a")] if useful else []))
        engine.die()
        with pytest.raises(EngineLost) as caught:
            await waits
        assert caught.value.useful == useful
        await asyncio.gather(other, return_exceptions=True)

    run()
