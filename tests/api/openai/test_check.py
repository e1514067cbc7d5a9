"""`edge.check` names a configured program, and nothing that it cannot go with."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.decoding import CheckCost, CheckerSpec, Constraint, Mode
from edge_rt.core.events import Finished, Timings

SQL = CheckerSpec("sql", ("/usr/bin/sql",), 1.0, 1 << 28)
CHECKERS = {"sql": SQL, "names": CheckerSpec("names", ("/usr/bin/names",), 1.0, 1 << 28)}
TIMINGS = Timings(0.0, 0.1, 0.1, 3, 0, 2)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture
def client(make_client):
    return make_client(checkers=CHECKERS)


@pytest.mark.parametrize("send", ["chat", "complete"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_program_reaches_the_call_beside_a_constraint(client, service, send, stream) -> None:
    edge = {"check": "sql", "regex": "[A-Z ]+"}
    assert getattr(client, send)(edge=edge, stream=stream).status == 200
    call = service.calls[-1]
    assert call.check == SQL
    assert call.constraint == Constraint("regex", "[A-Z ]+", param="edge.regex")
    assert getattr(client, send)(stream=stream).status == 200
    assert service.calls[-1].check is None


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"edge": {"check": "SQL"}}, "edge.check", "no checker 'SQL'; there are: names, sql."),
        ({"edge": {"check": ""}}, "edge.check", ""),
        ({"edge": {"check": ["rm"]}}, "edge.check", "`str | null`"),
        ({"edge": {"check": "sql", "cache": "use"}}, "edge.cache", "`edge.check`"),
        ({"edge": {"check": "sql", "cache": "only"}}, "edge.cache", "`edge.check`"),
        ({"edge": {"check": "sql"}, "tools": [TOOL]}, "edge.check", "`tools`"),
    ],
)
def test_what_cannot_be_is_refused(
    client, service, fields: dict[str, Any], param: str, says: str
) -> None:
    response = client.chat(**fields)
    error = response.json()["error"]
    assert (response.status, error["param"]) == (400, param)
    assert says in error["message"]
    assert service.calls == []


def test_without_any_program_the_error_says_how_one_is_configured(make_client) -> None:
    error = make_client().chat(edge={"check": "sql"}).json()["error"]
    assert (error["param"], error["code"]) == ("edge.check", "unknown_check")
    assert "`checks: {NAME: {command: [PROGRAM, ARGUMENT]}}` in config.yaml" in error["message"]


def test_a_partner_that_nobody_asked_for_does_not_help(client, service) -> None:
    service.mode = Mode("speculative", "small")
    for send in (client.chat, client.complete):
        send(edge={"check": "sql"})
        assert service.calls[-1].plan.mode is None


def test_answers_under_a_check_are_not_kept(make_client, make_cache, service) -> None:
    client = make_client(checkers=CHECKERS, cache=make_cache())
    for _ in range(2):
        assert client.chat(edge={"check": "sql"}, temperature=0).status == 200
    assert len(service.calls) == 2


def test_the_answer_tells_what_the_program_took(client, service, script) -> None:
    service.script = lambda call: [
        script.started(),
        script.delta("a", index=0),
        script.delta("b", index=1),
        Finished(1, 1, "stop", TIMINGS, check=CheckCost(7, 3, 0.25, -1.5)),
        script.cost(),
        Finished(1, 0, "stop", TIMINGS, check=CheckCost(4, 2, 0.5, None)),
    ]
    edge = client.complete(edge={"check": "sql"}, n=2).json()["edge"]
    assert edge["check"] == {
        "calls": 11,
        "messages": 5,
        "check_ms": 750.0,
        "log_weights": [None, -1.5],
    }
