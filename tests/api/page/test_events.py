"""The events of the page: made once for all, at once for each, and nothing stays behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import AsyncExitStack, aclosing

import pytest

from edge_rt.api import page
from edge_rt.api.page import Feed

PATH = "/edge/v1/events"
TCP = ("127.0.0.1", 8080)


class Maker:
    """Makes one thing after the other, each when the test says so."""

    def __init__(self) -> None:
        self.made = 0
        self.fault: Exception | None = None
        self.over = False
        self._turn = asyncio.Semaphore(0)
        self.pausing = asyncio.Event()

    async def make(self) -> bytes:
        if self.fault is not None:
            raise self.fault
        self.made += 1
        return str(self.made).encode()

    async def pause(self) -> bool:
        self.pausing.set()
        await self._turn.acquire()
        self.pausing.clear()
        return self.over

    def turn(self) -> None:
        self._turn.release()


def test_each_listener_gets_the_latest_at_once_and_all_the_same():
    async def run() -> None:
        maker = Maker()
        feed = Feed(maker.make, maker.pause)
        async with aclosing(feed.listen()) as first, aclosing(feed.listen()) as second:
            assert [await anext(first), await anext(second)] == [b"1", b"1"]
            maker.turn()
            assert [await anext(first), await anext(second)] == [b"2", b"2"]
        assert maker.made == 2

    asyncio.run(run())


def test_another_listener_costs_one_frame_a_snapshot_and_no_task():
    async def run() -> None:
        maker = Maker()
        feed = Feed(maker.make, maker.pause)
        heard: list[list[bytes]] = [[] for _ in range(5)]
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(aclosing(feed.listen())) for _ in heard]
            for _ in range(4):
                for listener, frames in zip(listeners, heard, strict=True):
                    frames.append(await anext(listener))
                maker.turn()
            assert len(asyncio.all_tasks()) == 2, "this one, and the one that makes them"
        assert maker.made == 4
        for frames in heard:
            assert [*map(id, frames)] == [*map(id, heard[0])], "nothing is encoded again"

    asyncio.run(run())


def test_nothing_is_made_and_no_task_is_left_once_all_have_gone():
    async def run() -> None:
        maker = Maker()
        feed = Feed(maker.make, maker.pause)
        async with aclosing(feed.listen()) as only:
            await anext(only)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        async with aclosing(feed.listen()) as later:
            assert await anext(later) == b"2", "what was made for others is old by then"

    asyncio.run(run())


def test_one_that_leaves_takes_nothing_from_the_others():
    async def run() -> None:
        maker = Maker()
        feed = Feed(maker.make, maker.pause)
        async with aclosing(feed.listen()) as stays:
            await anext(stays)
            leaves = feed.listen()
            await anext(leaves)
            waiting = asyncio.ensure_future(anext(leaves))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            maker.turn()
            assert await anext(stays) == b"2"

    asyncio.run(run())


def test_one_that_does_not_read_misses_what_was_made_meanwhile():
    async def run() -> None:
        maker = Maker()
        feed = Feed(maker.make, maker.pause)
        async with aclosing(feed.listen()) as reads, aclosing(feed.listen()) as slow:
            await anext(slow)
            await anext(reads)
            for expected in (b"2", b"3", b"4"):
                maker.turn()
                assert await anext(reads) == expected
            assert await anext(slow) == b"4"

    asyncio.run(run())


def test_the_end_ends_every_listener_and_a_failure_reaches_them():
    async def run() -> None:
        maker = Maker()
        feed = Feed(maker.make, maker.pause)
        async with aclosing(feed.listen()) as one:
            await anext(one)
            maker.over = True
            maker.turn()
            assert [made async for made in one] == []
        maker.over, maker.fault = False, OSError("the disk is gone")
        async with aclosing(feed.listen()) as one:
            with pytest.raises(OSError, match="disk"):
                await anext(one)
        maker.fault = None
        async with aclosing(feed.listen()) as one:
            assert await anext(one) == b"2"

    asyncio.run(run())


async def told(connection, count: int) -> list[dict]:
    """The first `count` events of a stream."""
    while connection.response.body.count(b"\n\n") < count:
        await connection.message()
    blocks = connection.response.body.decode().split("\n\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:count]]


def test_the_stream_begins_with_the_rights_and_a_snapshot(client, service):
    async def run() -> None:
        one, other = client.open("GET", PATH), client.open("GET", PATH)
        (hello, now), (_, same) = await told(one, 2), await told(other, 2)
        assert hello["type"] == "hello"
        assert (hello["generate"], hello["administer"]) == (True, True)
        assert hello["models"] == ["smol", "other-1.5b@q4"]
        assert now == same
        assert len(service.asked) == 1, "one snapshot for both"
        assert (now["power_w"], now["temp_c"], now["guard"]) == (6.5, 51.5, "caution")
        assert (now["budget"]["power_w"], now["forecast_c"], now["today_j"]) == (8.0, 66.2, 650.0)
        assert [model["id"] for model in now["models"]] == ["smol", "other-1.5b@q4"]
        assert now["requests"][0]["energy_j"] is None
        assert now["requests"][0]["why"] is None
        for connection in (one, other):
            connection.leave()
            await connection.end()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_the_stream_tells_caps_that_cannot_be_kept_and_a_supply_that_sags(client, service, script):
    service.governor = script.governor(warnings=["too low"], supply=["it sags"])

    async def run() -> None:
        connection = client.open("GET", PATH)
        _, now = await told(connection, 2)
        assert now["warnings"] == ["too low", "it sags"]
        connection.leave()
        await connection.end()

    asyncio.run(run())


def test_the_stream_ends_when_the_daemon_is_about_to(make_client):
    async def run() -> None:
        ending = asyncio.Event()
        connection = make_client(ending=ending).open("GET", PATH)
        await told(connection, 2)
        ending.set()
        response = await connection.end()
        assert response.messages[-1].get("more_body") is False
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_over_tcp_it_needs_a_key_and_tells_what_the_key_may(make_client):
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("user", "admin")}
    client = make_client(api_key_sha256=list(hashes.values()), admin_key_sha256=[hashes["admin"]])
    assert client.get(PATH, server=TCP).status == 401
    assert client.get(f"{PATH}?since=3").status == 400

    async def rights(name: str) -> tuple[bool, bool]:
        headers = {"authorization": f"Bearer {name}"}
        connection = client.open("GET", PATH, headers=headers, server=TCP)
        [hello] = await told(connection, 1)
        connection.leave()
        await connection.end()
        return hello["generate"], hello["administer"]

    assert asyncio.run(rights("user")) == (True, False)
    assert asyncio.run(rights("admin")) == (True, True)
    change = {"headers": {"authorization": "Bearer user"}, "server": TCP}
    refused = client.put("/edge/v1/budget", {"power_w": 5}, **change)
    assert refused.status == 403
    assert "administrate" in refused.json()["error"]["message"]


@pytest.mark.parametrize("taken", ["key", "right"])
def test_a_stream_ends_when_its_key_may_not_have_it_any_more(make_client, monkeypatch, taken):
    monkeypatch.setattr(page, "PERIOD_S", 0.01)
    kept, gone = (hashlib.sha256(name).hexdigest() for name in (b"kept", b"gone"))
    keys, admins = [kept, gone], [gone]
    client = make_client(api_key_sha256=keys, admin_key_sha256=admins)

    async def run() -> None:
        streams = {
            name: client.open("GET", PATH, headers={"authorization": f"Bearer {name}"}, server=TCP)
            for name in ("kept", "gone")
        }
        for stream in streams.values():
            await told(stream, 3)
        (keys if taken == "key" else admins).remove(gone)  # as a reload of the configuration does
        ended = await streams["gone"].end()
        assert ended.messages[-1].get("more_body") is False
        await told(streams["kept"], streams["kept"].response.body.count(b"\n\n") + 2)
        streams["kept"].leave()
        await streams["kept"].end()

    asyncio.run(run())
