"""The events of the page: made once for all, at once for each, and nothing stays behind."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from edge_rt.api import page

PATH = "/edge/v1/events"
TCP = ("127.0.0.1", 8080)


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
        assert [(row["app"], row["energy_j"]) for row in now["apps"]] == [("cam", 150.0)]
        assert now["budgets"][0]["limit_j"] == 3600.0
        assert now["battery_s"] == 45_000.0
        assert now["requests"][0]["energy_j"] is None
        assert now["requests"][0]["why"] is None
        for connection in (one, other):
            connection.leave()
            await connection.end()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_listeners_share_what_is_made(make_client, service, monkeypatch):
    monkeypatch.setattr(page, "PERIOD_S", 0.001)
    now_s = 100.0
    client = make_client(monotonic=lambda: now_s)

    async def run() -> None:
        nonlocal now_s
        streams = [client.open("GET", PATH) for _ in range(5)]
        for stream in streams:
            await told(stream, 4)
        assert len(service.asked) == 1
        now_s += 0.001
        for stream in streams:
            await told(stream, stream.response.body.count(b"\n\n") + 2)
        assert len(service.asked) == 2
        for stream in streams:
            stream.leave()
            await stream.end()

    asyncio.run(run())


def test_a_fault_ends_a_stream_and_the_next_begins_anew(client, service):
    service.snapshot, report = OSError("the bus is gone"), service.snapshot

    async def run() -> None:
        with pytest.raises(OSError, match="bus"):
            await client.open("GET", PATH).end()
        service.snapshot = report
        connection = client.open("GET", PATH)
        await told(connection, 2)
        connection.leave()
        await connection.end()

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

    async def both() -> list[tuple[bool, bool]]:
        return [await rights("user"), await rights("admin")]

    assert asyncio.run(both()) == [(True, False), (True, True)]
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
