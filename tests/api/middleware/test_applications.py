"""Each request is of an application: as its header says, or else by its key or its user."""

from __future__ import annotations

import hashlib
import os
import pwd
from typing import Any

import pytest

from edge_rt.core.reports.board import AppBudgetState

Client = Any  # the client of conftest.py
Service = Any
KEY = "sk-edge-1"
HASH = hashlib.sha256(KEY.encode()).hexdigest()
TCP = {"server": ("127.0.0.1", 8080)}
PATH = "/v1/completions"
BODY = {"model": "smol", "prompt": "Hi"}


def app_of(client: Client, service: Service, **how: Any) -> str:
    assert client.post(PATH, BODY, **how).status == 200
    return service.calls[-1].app


def test_a_request_is_of_the_application_that_it_names(client: Client, service: Service) -> None:
    named = {"headers": {"X-Edge-App".lower(): "door.cam_2-b"}, "state": {"peer_uid": os.getuid()}}
    assert app_of(client, service, **named) == "door.cam_2-b"


def test_else_it_is_of_its_user(client: Client, service: Service) -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    assert app_of(client, service, state={"peer_uid": os.getuid()}) == f"user:{name}"
    assert app_of(client, service, state={"peer_uid": 4_123_456}) == "user:4123456"


def test_or_of_its_key_and_nobody_without_one(make_client: Any, service: Service) -> None:
    key = {"headers": {"host": "board.lan", "authorization": f"Bearer {KEY}"}, **TCP}
    assert app_of(make_client(api_key_sha256=[HASH]), service, **key) == f"key:{HASH[:12]}"
    keyless = {"headers": {"host": "localhost"}, **TCP}
    assert app_of(make_client(), service, **keyless) == "(unnamed)"


@pytest.mark.parametrize("name", ["", "a b", "user:root", "(idle)", "x" * 65, "a\xff", "*"])
def test_a_name_that_is_none_is_refused(client: Client, service: Service, name: str) -> None:
    response = client.post(PATH, BODY, headers={"x-edge-app": name})
    assert response.status == 400
    assert response.json()["error"]["param"] == "X-Edge-App"
    assert "X-Edge-App: expected one name" in response.json()["error"]["message"]
    assert not service.calls


def test_names_are_of_a_bounded_number_and_those_with_a_budget_are_kept(
    make_client: Any, service: Service
) -> None:
    client = make_client(applications=["late"])
    for number in range(40):
        app_of(client, service, headers={"x-edge-app": f"app{number}"})
    apps = {call.app for call in service.calls}
    assert len(apps) == 33
    assert "(others)" in apps
    assert app_of(client, service, headers={"x-edge-app": "late"}) == "late"
    assert app_of(client, service, headers={"x-edge-app": "app3"}) == "app3"


def test_embeddings_and_kept_answers_are_of_their_application_too(
    make_client: Any, service: Service, make_cache: Any
) -> None:
    client = make_client(cache=make_cache())
    client.post("/v1/embeddings", {"model": "vec", "input": "a"}, headers={"x-edge-app": "search"})
    assert service.embeds[-1].app == "search"
    for app in ("one", "two", "three"):
        client.post(PATH, BODY | {"temperature": 0}, headers={"x-edge-app": app})
    assert [call.app for call in service.calls] == ["one"]
    assert [repeat.app for repeat in service.repeats] == ["two", "three"]


def test_prometheus_has_a_series_of_each(client: Client, service: Service) -> None:
    service.app_j = {"cam": 12.5}
    service.idle_j = 500.0
    service.budgets = [
        AppBudgetState("cam", 12.0, 80.0),
        AppBudgetState("*", 1.0, None),
    ]
    text = client.get("/metrics").body.decode()
    for series in (
        'edge_rt_app_energy_joules_total{app="cam"} 12.5',
        'edge_rt_app_energy_joules_total{app="(idle)"} 500.0',
        'edge_rt_app_budget_joules{app="cam"} 80.0',
        'edge_rt_app_spent_joules{app="*"} 1.0',
    ):
        assert series in text
    assert 'edge_rt_app_budget_joules{app="*"}' not in text
