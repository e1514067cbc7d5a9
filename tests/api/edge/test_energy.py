"""The board and the ledger over HTTP."""

from __future__ import annotations

import msgspec
import pytest

from edge_rt.core.reports.board import BoardReport, LedgerReport

DAYS = ["0", "3651", "-1", "1.5", "", "x", "+1", " 1", "1_0", "1e1", "%D9%A1", "9" * 5000, "%FF"]


def test_board(client, service):
    response = client.get("/edge/v1/board")
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert msgspec.json.decode(response.body, type=BoardReport) == service.snapshot
    assert response.json()["channels"][0]["error"] is None


def test_a_board_that_feels_nothing(client, service, script):
    nothing = {"board": None, "supply": None, "temp_c": None, "throttled": None}
    service.snapshot = script.report(**nothing, channels=[], energies=[])
    document = client.get("/edge/v1/board").json()
    assert [document[name] for name in nothing] == [None] * 4


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", (30, 20)),
        ("?days=1&last=0", (1, 0)),
        ("?last=1000&days=3650", (3650, 1000)),
        ("?days=007", (7, 20)),
        ("?d%61ys=5", (5, 20)),
        ("?", (30, 20)),
    ],
)
def test_ledger(client, service, query, asked):
    response = client.get(f"/edge/v1/ledger{query}")
    assert response.status == 200
    assert msgspec.json.decode(response.body, type=LedgerReport) == service.booked
    assert service.asked == [asked]


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [("days", value, "from 1 to 3650") for value in DAYS]
    + [("last", value, "from 0 to 1000") for value in ("-1", "1001", "all")],
)
def test_bad_values_are_named_with_what_fits(client, service, name, value, fits):
    response = client.get(f"/edge/v1/ledger?{name}={value}")
    error = response.json()["error"]
    assert (response.status, error["param"], error["code"]) == (400, name, "invalid_value")
    assert f"`{name}`" in error["message"]
    assert fits in error["message"]
    assert len(error["message"]) < 200
    assert service.asked == []


def test_a_parameter_comes_once(client):
    response = client.get("/edge/v1/ledger?days=1&days=2")
    assert response.status == 400
    assert response.json()["error"]["param"] == "days"


@pytest.mark.parametrize(
    ("path", "allowed"), [("/edge/v1/ledger", "`days`, `last`"), ("/edge/v1/board", "none")]
)
def test_unknown_parameters_are_named(client, path, allowed):
    response = client.get(f"{path}?months=1&Days=2")
    error = response.json()["error"]
    assert (response.status, error["code"]) == (400, "unknown_parameter")
    assert "Days, months" in error["message"]
    assert allowed in error["message"]


@pytest.mark.parametrize("path", ["/edge/v1/board", "/edge/v1/ledger"])
def test_only_get(client, path):
    assert client.post(path, {}).status == 405
