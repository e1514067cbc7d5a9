"""How it was, over HTTP."""

from __future__ import annotations

import msgspec
import pytest

from edge_rt.core.reports.governor import Past

PATH = "/edge/v1/history"


@pytest.mark.parametrize(
    ("query", "since"), [("", 3600), ("?since=1", 1), ("?since=0090", 90), ("?since=86400", 86_400)]
)
def test_history(client, service, query, since):
    response = client.get(f"{PATH}{query}")
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert msgspec.json.decode(response.body, type=Past) == service.was
    assert service.since == [since]


def test_what_is_not_known_is_null(client):
    document = client.get(PATH).json()
    assert document["power_w"] == [5.0, None]
    assert {len(column) for name, column in document.items() if isinstance(column, list)} == {2}


@pytest.mark.parametrize("value", ["0", "86401", "-1", "1h", "1.5", "", "nan"])
def test_bad_values_are_named_with_what_fits(client, service, value):
    response = client.get(f"{PATH}?since={value}")
    error = response.json()["error"]
    assert (response.status, error["param"], error["code"]) == (400, "since", "invalid_value")
    assert "from 1 to 86400" in error["message"]
    assert service.since == []


def test_unknown_parameters_are_named(client):
    response = client.get(f"{PATH}?since=5&until=9")
    assert (response.status, response.json()["error"]["param"]) == (400, "until")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_get(client, method):
    response = client.request(method, PATH, {})
    assert response.status == 405
    assert "GET" in response.headers["allow"]
