"""What one client may have the daemon do at once, and in a minute."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from edge_rt.api.middleware.clients import Clients
from edge_rt.config.schema import Requests
from edge_rt.core.errors import Unavailable
from edge_rt.testing.board import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def peer(uid: int) -> dict:
    return {"peer_uid": uid}


def refused(clients: Clients, client: str | None) -> Unavailable:
    with pytest.raises(Unavailable) as caught, clients.enter(client):
        pass
    assert caught.value.code == "rate_limit"
    return caught.value


def test_each_client_has_its_own_places(clock) -> None:
    clients = Clients(2, None, clock)
    with ExitStack() as stack:
        for client in ("a", "a", "b", "b", None, None):
            stack.enter_context(clients.enter(client))
        for client in ("a", "b", None):
            assert "requests.per_client" in str(refused(clients, client))
    with clients.enter("a"):
        pass


def test_a_place_is_free_after_a_failure(clock) -> None:
    clients = Clients(1, None, clock)
    with pytest.raises(ZeroDivisionError), clients.enter("a"):
        raise ZeroDivisionError
    with clients.enter("a"):
        pass


def test_so_many_in_a_minute(clock) -> None:
    clients = Clients(99, 60, clock)

    def allowed() -> int:
        count = 0
        while True:
            try:
                with clients.enter("a"):
                    count += 1
            except Unavailable:
                return count

    assert allowed() == 10  # at once
    total = 0
    for _ in range(60):
        clock.now += 1.0
        total += allowed()
    assert total == 60
    clock.now += 3600.0
    assert allowed() == 10


def test_who_is_refused_is_told_when_to_come_again(clock) -> None:
    clients = Clients(99, 6, clock)
    with clients.enter("a"):
        pass
    wait_s = refused(clients, "a").retry_after_s
    assert wait_s is not None
    clock.now += wait_s
    with clients.enter("a"), clients.enter("b"):
        pass


def test_one_client_more_than_its_share_gets_429(make_client, service) -> None:
    client, body = make_client(Requests(per_client=2)), {"input": "x"}

    async def run():
        service.hold = asyncio.Event()
        held = [client.open("POST", "/v1/embeddings", body, state=peer(1)) for _ in range(2)]
        refusal = await client.open("POST", "/v1/embeddings", body, state=peer(1)).end()
        service.hold.set()
        other = await client.open("POST", "/v1/embeddings", body, state=peer(2)).end()
        served = [await connection.end() for connection in held]
        again = await client.open("POST", "/v1/embeddings", body, state=peer(1)).end()
        return refusal, [answer.status for answer in (other, *served, again)]

    refusal, others = asyncio.run(run())
    assert refusal.status == 429
    assert refusal.headers["retry-after"] == "1"
    assert refusal.json()["error"]["type"] == "rate_limit_error"
    assert others == [200] * 4


def test_looking_at_the_daemon_is_not_counted(make_client) -> None:
    client = make_client(Requests(per_minute=6))
    assert client.complete().status == 200
    refusal = client.complete()
    assert refusal.status == 429
    assert "more often than 6 times a minute" in refusal.json()["error"]["message"]
    assert {client.get("/edge/v1/status").status for _ in range(20)} == {200}


def test_the_bodies_of_all_clients_are_bounded(make_client, service) -> None:
    limits = Requests(body_bytes=100, bodies_bytes=100)
    client, body = make_client(limits), {"input": "x" * 60}

    async def run():
        service.hold = asyncio.Event()
        held = client.open("POST", "/v1/embeddings", body, state=peer(1))
        while not service.embeds:
            await asyncio.sleep(0)
        refusal = await client.open("POST", "/v1/embeddings", body, state=peer(2)).end()
        service.hold.set()
        first = await held.end()
        return refusal, first, await client.open("POST", "/v1/embeddings", body).end()

    refusal, *others = asyncio.run(run())
    assert refusal.status == 503
    assert refusal.headers["retry-after"]
    assert "requests.bodies_bytes" in refusal.json()["error"]["message"]
    assert [answer.status for answer in others] == [200, 200]


def test_what_bodies_are_decoded_to_is_counted(make_client, service) -> None:
    limits = Requests(body_bytes=4000, bodies_bytes=20_000)
    client, body = make_client(limits), {"input": ["x"] * 600}

    async def run():
        service.hold = asyncio.Event()
        held = client.open("POST", "/v1/embeddings", body, state=peer(1))
        while not service.embeds:
            await asyncio.sleep(0)
        refusal = await client.open("POST", "/v1/embeddings", {"input": "x"}, state=peer(2)).end()
        service.hold.set()
        first = await held.end()
        return refusal, first, await client.open("POST", "/v1/embeddings", body).end()

    refusal, *others = asyncio.run(run())
    assert refusal.status == 503
    assert [answer.status for answer in others] == [200, 200]
