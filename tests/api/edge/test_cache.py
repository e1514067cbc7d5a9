"""What is kept of answers can be seen and forgotten."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_rt.core.cached import Prefixes, PrefixGroup, Which
from edge_rt.core.errors import Unavailable
from edge_rt.core.events import Started

GREEDY = {"temperature": 0}
PATH, PURGE = "/edge/v1/cache", "/edge/v1/cache/purge"
BODY = {"messages": [{"role": "user", "content": "Hi"}], **GREEDY}


@pytest.fixture
def cached(make_client: Any, make_cache: Any) -> Any:
    return make_client(cache=make_cache())


def ask(client: Any, *, model: str = "smol", uid: int = 1000) -> None:
    body = BODY | {"model": model}
    state = {"peer_uid": uid}
    assert client.post("/v1/chat/completions", body, state=state).status == 200


def test_what_there_is_and_what_it_brought(cached: Any) -> None:
    for model in ("smol", "smol", "smol", "other-1.5b@q4"):
        ask(cached, model=model)
    report = cached.get(PATH).json()
    assert (report["enabled"], report["stored"], report["ttl_s"]) == (True, True, 1000.0)
    assert (report["hits"], report["misses"], report["saved_j"]) == (2, 2, 3.0)
    groups = [(g["model"], g["client"], g["answers"]) for g in report["groups"]]
    assert groups == [("other-1.5b@q4", "uid:1000", 1), ("smol", "uid:1000", 1)]


def test_what_nothing_tells_was_not_saved_in_vain(cached: Any, service: Any, script: Any) -> None:
    service.script = lambda call: [script.started(), script.cost(None), script.finished()]
    ask(cached)
    assert cached.get(PATH).json()["saved_j"] == 0.0
    ask(cached)
    report = cached.get(PATH).json()
    assert (report["hits"], report["saved_j"]) == (1, None)
    assert b"edge_rt_cache_saved_joules_total{" not in cached.get("/metrics").body


def test_a_cache_that_is_off(client: Any) -> None:
    report = client.get(PATH).json()
    assert (report["enabled"], report["stored"], report["groups"]) == (False, False, [])
    assert client.post(PURGE, {}).json() == {"answers": 0, "prefixes": 0}


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({}, set()),
        ({"model": "smol"}, {("other-1.5b@q4", 1)}),
        ({"client": "uid:1"}, {("smol", 2)}),
        ({"client": "uid:1", "model": "smol"}, {("smol", 2), ("other-1.5b@q4", 1)}),
        ({"older_s": 50}, {("smol", 2)}),
        ({"older_s": 500}, {("smol", 2), ("other-1.5b@q4", 1)}),
        ({"model": "nobody"}, {("smol", 2), ("other-1.5b@q4", 1)}),
    ],
)
def test_answers_are_forgotten_by_model_client_and_age(
    make_client: Any, make_cache: Any, service: Any, which: dict, left: set
) -> None:
    now = [1_800_000_000.0]
    client = make_client(cache=make_cache(clock=lambda: now[0]), clock=lambda: now[0])
    asked = (("other-1.5b@q4", 1), ("smol", 2))
    for model, uid in asked:
        ask(client, model=model, uid=uid)
        now[0] += 100
    now[0] -= 90
    assert client.post(PURGE, which).json()["answers"] == len(asked) - len(left)
    found = set()
    for model, uid in asked:
        made = len(service.calls)
        ask(client, model=model, uid=uid)
        if len(service.calls) == made:
            found.add((model, uid))
    assert found == left


def test_what_is_kept_of_prompts_is_told_and_forgotten(
    cached: Any, service: Any, script: Any
) -> None:
    group = PrefixGroup("smol", "uid:1", 2, 1900, 33_000, 1.0, 2.0)
    service.kept = Prefixes(0, True, True, 1 << 20, [group], forgotten=2)
    begun = Started(0, 1000, 950, 940)
    service.script = lambda call: [begun, *script.hello(call)[1:]]
    edge = cached.post("/v1/chat/completions", BODY).json()["edge"]
    assert (edge["cached_tokens"], edge["restored_tokens"]) == (950, 940)
    assert cached.get(PATH).json()["prefixes"] == {
        "enabled": True,
        "stored": True,
        "max_bytes": 1 << 20,
        "groups": [msgspec.structs.asdict(group)],
        "restored_prompts": 1,
        "restored_tokens": 940,
    }
    which = {"model": "smol", "older_s": 5.0}
    assert cached.post(PURGE, which).json() == {"answers": 0, "prefixes": 2}
    assert service.forgotten == [Which("smol", None, 5.0)]
    lines = cached.get("/metrics").body.decode().splitlines()
    assert 'edge_rt_tokens_total{kind="restored",model="smol"} 940.0' in lines


def test_without_an_engine_answers_are_forgotten_and_the_rest_is_told(
    cached: Any, service: Any
) -> None:
    ask(cached)
    service.kept = Unavailable("the engine does not tell", retry_after_s=2.0)
    assert cached.get(PATH).json()["prefixes"] is None
    response = cached.post(PURGE, {})
    assert (response.status, response.headers["retry-after"]) == (503, "2")
    message = response.json()["error"]["message"]
    assert message == "not all is forgotten: the engine does not tell; purge again later"
    assert cached.get(PATH).json()["groups"] == []


def test_what_the_disk_keeps_is_told(cached: Any, service: Any) -> None:
    ask(cached)
    service.kept = Prefixes(0, True, True, 1 << 20, [], forgotten=3, left=2)
    response = cached.post(PURGE, {})
    assert (response.status, response.headers["retry-after"]) == (503, "10")
    error = response.json()["error"]
    assert error["code"] == "not_forgotten"
    assert "2 beginnings of prompts cannot be deleted" in error["message"]


@pytest.mark.parametrize(
    ("fields", "per_client", "uid", "client"),
    [
        ({}, False, 1000, "uid:1000"),
        ({}, False, None, "unknown"),
        ({}, True, 1000, "uid:1000"),
        ({}, True, None, None),
        ({"edge": {"cache": "off"}}, False, 1000, None),
        ({"edge": {"cache": "refresh"}}, False, 1000, "uid:1000"),
        ({"temperature": 1.0}, False, 1000, "uid:1000"),
    ],
)
def test_for_whom_prompts_are_kept(
    make_client: Any,
    make_cache: Any,
    service: Any,
    fields: dict,
    per_client: bool,
    uid: int | None,
    client: str | None,
) -> None:
    made = make_client(cache=make_cache(), per_client=per_client)
    state = {} if uid is None else {"peer_uid": uid}
    assert made.post("/v1/chat/completions", BODY | fields, state=state).status == 200
    assert [call.client for call in service.calls] == [client]


def test_without_a_cache_no_prompts_are_kept(client: Any, service: Any) -> None:
    ask(client)
    assert [call.client for call in service.calls] == [None]


def test_a_purge_of_what_is_misspelt_forgets_nothing(cached: Any) -> None:
    ask(cached)
    response = cached.post(PURGE, {"modell": "smol"})
    assert (response.status, response.json()["error"]["param"]) == (400, "modell")
    assert cached.post(PURGE, {"older_s": -1}).status == 400
    assert cached.get(PATH + "?a=1").status == 400
    assert [group["answers"] for group in cached.get(PATH).json()["groups"]] == [1]


def test_the_metrics_tell_hits_misses_bytes_and_joules(cached: Any) -> None:
    for _ in range(3):
        ask(cached)
    assert cached.get(PATH).status == 200  # by then it is written
    lines = cached.get("/metrics").body.decode().splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if line.startswith("edge_rt_cache"))
    assert shown['edge_rt_cache_hits_total{model="smol"}'] == "2.0"
    assert shown["edge_rt_cache_misses_total"] == "1.0"
    assert shown['edge_rt_cache_saved_joules_total{model="smol"}'] == "3.0"
    assert float(shown["edge_rt_cache_bytes"]) >= 4096
    tokens = [line for line in lines if line.startswith('edge_rt_tokens_total{kind="completion"')]
    assert [line.rsplit(" ", 1)[1] for line in tokens] == ["2.0"]  # of the first answer alone
