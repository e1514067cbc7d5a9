"""The budget over HTTP: shown, and changed by what is said and no more."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from edge_rt.config.schema import Requests
from edge_rt.core.reports.governor import BudgetState, GovernorState

PATH = "/edge/v1/budget"
BEFORE = BudgetState(8.0, 1.0, 1.5, 70.0, 50_000.0, "day")
BAD = [
    ("power_w", ["0", "-1", '"8"', "true", "[]", "{}", "1e999"]),
    ("temp_c", ["0", "-10", "150.5", '"hot"']),
    ("energy_j", ["0", "-1", '"much"']),
    ("power_window_s", ["null", "0.1", "61", '"1 s"']),
    ("peak_ratio", ["null", "0.9", "11"]),
    ("energy_period", ["null", '"week"', '"Hour"', "3600"]),
]


def test_it_is_shown(client, service):
    response = client.get(PATH)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert msgspec.json.decode(response.body, type=GovernorState) == service.governor
    assert service.changes == []


@pytest.mark.parametrize(
    "change",
    [
        {"power_w": 6.5},
        {"power_w": 6},
        {"power_w": None},
        {"temp_c": 60.5, "power_window_s": 0.2},
        {"temp_c": None, "peak_ratio": 1},
        {"energy_j": 1e6, "energy_period": "hour"},
        {"energy_j": None},
        {},
    ],
)
def test_what_is_said_changes_and_the_rest_stays(client, service, change):
    response = client.put(PATH, change)
    assert response.status == 200
    [heard] = service.changes
    said = {name: value for name, value in msgspec.structs.asdict(heard).items() if value != UNSET}
    assert said == change
    after = response.json()["budget"]
    assert after == {**msgspec.structs.asdict(BEFORE), **change}


def test_a_change_is_answered_by_what_is_shown_then(client):
    answer = client.put(PATH, {"power_w": 5.0})
    assert answer.body == client.get(PATH).body
    assert answer.json()["budget"]["power_w"] == 5.0


@pytest.mark.parametrize(("name", "value"), [(n, value) for n, values in BAD for value in values])
def test_what_cannot_be_a_cap_is_named_and_changes_nothing(client, service, name, value):
    other = "peak_ratio" if name != "peak_ratio" else "power_w"
    body = f'{{"{other}": 2, "{name}": {value}}}'.encode()
    response = client.put(PATH, body)
    error = response.json()["error"]
    assert (response.status, error["param"], error["code"]) == (400, name, "invalid_value")
    assert f"`{name}`" in error["message"]
    assert service.changes == []


def test_a_period_that_is_none_is_refused_by_its_name(client):
    error = client.put(PATH, {"energy_period": "week"}).json()["error"]
    assert error["message"] == "`energy_period`: Invalid enum value 'week'."


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"power_w": NaN}', b'{"power_w": Infinity}', b"\xff"]
)
def test_what_is_no_json_is_refused(client, service, body):
    response = client.put(PATH, body)
    error = response.json()["error"]
    assert (response.status, error["code"]) == (400, "invalid_json")
    assert service.changes == []


@pytest.mark.parametrize("body", [b"[]", b"null", b"8", b'"none"'])
def test_what_is_no_object_is_refused(client, service, body):
    response = client.put(PATH, body)
    assert (response.status, response.json()["error"]["code"]) == (400, "invalid_value")
    assert service.changes == []


@pytest.mark.parametrize("name", ["power", "Power_w", "limits", ""])
def test_an_unknown_field_is_named_and_changes_nothing(client, service, name):
    response = client.put(PATH, {"power_w": 5.0, name: 1})
    error = response.json()["error"]
    assert (response.status, error["param"], error["code"]) == (400, name, "unknown_parameter")
    assert service.changes == []


def test_a_body_has_an_end(make_client, service):
    client = make_client(Requests(body_bytes=1024))
    response = client.put(PATH, b" " * 1025)
    assert response.status == 413
    assert service.changes == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_query_is_no_way_to_change_it(client, service, method):
    response = client.request(method, f"{PATH}?power_w=5", b"{}")
    assert (response.status, response.json()["error"]["param"]) == (400, "power_w")
    assert service.changes == []


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_other_methods_are_told_which_there_are(client, service, method):
    response = client.request(method, PATH, {"power_w": 5.0})
    assert response.status == 405
    assert {"GET", "PUT"} <= set(response.headers["allow"].split(", "))
    assert response.json()["error"]["code"] == "method_not_allowed"
    assert service.changes == []
