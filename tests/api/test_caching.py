"""What was answered before is told again, byte for byte and without an engine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import Any, cast

import msgspec
import pytest

from edge_rt.api.kept import Piece, Record
from edge_rt.core.decoding import Gating, Made, Mode, TokenLogprob
from edge_rt.core.errors import EngineError, RequestError
from edge_rt.core.events import Finished, Timings
from edge_rt.core.requests import Plan

GREEDY = {"temperature": 0}
USAGE = {"stream_options": {"include_usage": True}}
LOGPROBS = [TokenLogprob(b"Hello", -0.5, [(b"Hello", -0.5), (b"\xff", -1.25)])]


@pytest.fixture
def cached(make_client: Any, make_cache: Any) -> Any:
    """A client of an app that keeps answers."""
    return make_client(cache=make_cache())


def told(response: Any) -> list[Any]:
    """Return all of an answer but what is told of the cache, and of its cost."""
    assert response.status == 200, response.body
    if response.headers["content-type"] == "application/json":
        return [without_edge(response.json())]
    return [without_edge(event) for event in response.events()]


def texts(response: Any) -> dict[int, str]:
    """The text of each answer of a stream of completions."""
    found: dict[int, str] = {}
    for choice in (one for each in told(response) if each != "[DONE]" for one in each["choices"]):
        found[choice["index"]] = found.get(choice["index"], "") + choice["text"]
    return found


def without_edge(document: Any) -> Any:
    return document if document == "[DONE]" else {k: document[k] for k in document if k != "edge"}


def edge_of(response: Any) -> dict[str, Any]:
    """Return what the last document that tells it tells of the answer."""
    if response.headers["content-type"] == "application/json":
        return response.json()["edge"]
    *_, last = [e["edge"] for e in response.events() if e != "[DONE]" and "edge" in e]
    return last


@pytest.mark.parametrize("usage", [{}, USAGE])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("n", [1, 2])
def test_a_hit_is_the_same_chunk_by_chunk(
    make_client: Any,
    make_cache: Any,
    service: Any,
    script: Any,
    n: int,
    first: bool,
    stream: bool,
    usage: dict,
) -> None:
    """However it was asked for the first time."""
    plain = make_client()
    cached = make_client(cache=make_cache())
    service.script = lambda call: [
        script.started(),
        *(script.delta("Hel", i, logprobs=LOGPROBS) for i in range(n)),
        script.delta("", tokens=2),
        *(script.delta("lo", i) for i in range(n)),
        *(script.finished(i, reason="length") for i in range(n - 1)),
        script.cost(),
        script.finished(n - 1),
    ]
    fields = {**GREEDY, "n": n, "logprobs": True, "top_logprobs": 2}
    asked = {**fields, "stream": stream, **(usage if stream else {})}
    fresh = plain.chat(**asked)
    cached.chat(**fields, stream=first)
    made = len(service.calls)
    again = cached.chat(**asked)
    assert len(service.calls) == made
    assert told(again) == told(fresh)
    assert edge_of(again)["cache"] == "exact"
    assert "cache" not in edge_of(fresh)


def test_texts_are_told_again_as_well(cached: Any, service: Any) -> None:
    asked = {**GREEDY, "prompt": ["a", "b"], "echo": True, "n": 2, "stream": True}
    first, again = cached.complete(**asked), cached.complete(**asked)
    assert texts(again) == texts(first)
    assert len(service.calls) == 2


def test_text_without_log_probabilities_is_told_in_one_piece(cached: Any) -> None:
    asked = {**GREEDY, "prompt": "a", "stream": True}
    first, again = cached.complete(**asked), cached.complete(**asked)
    pieces = [
        [one for one in told(each) if one != "[DONE]" and one["choices"][0]["text"]]
        for each in (first, again)
    ]
    assert len(pieces[0]) > len(pieces[1]) == 1
    assert texts(again) == texts(first)


def test_a_long_text_is_told_in_pieces_that_clients_can_take() -> None:
    lines = [Piece(0, 0, "x" * 4000, 1, []), Piece(0, 0, "y" * 200, 2, [])]
    kept = [*lines, Piece(0, 0, "z", 3, [])]
    record = Record(cast(Any, None), cast(Any, None), time.time, None, None)
    for one in kept:
        record.take(0, one.event())
    told = [(one.text, one.tokens) for one in record.lines if isinstance(one, Piece)]
    assert told == [("x" * 4000 + "y" * 200, 3), ("z", 3)]


def test_a_hit_says_how_old_it_is_and_what_it_took(
    make_client: Any, make_cache: Any, service: Any
) -> None:
    now = [1000.0]
    clock = lambda: now[0]  # noqa: E731
    client = make_client(cache=make_cache(clock=clock), clock=clock)
    first = edge_of(client.chat(**GREEDY))
    now[0] += 12.5
    response = client.chat(**GREEDY)
    edge = edge_of(response)
    assert (edge["cache"], edge["cache_age_s"], edge["cache_energy_j"]) == ("exact", 12.5, 1.5)
    assert (edge["cache_energy_quality"], edge["cache_seconds"]) == ("measured", 0.5)
    assert (edge["energy_j"], edge["power_w"], edge["decode_s"]) == (0.0, None, 0.0)
    assert edge["tokens_per_s"] is None
    assert first["energy_j"] == 1.5
    assert response.headers["x-edge-cache"] == "exact"
    assert client.chat(**GREEDY, stream=True).headers["x-edge-cache-age-s"] == "12.5"
    (repeat, _) = service.repeats
    assert repeat.answer_id == response.json()["id"]
    assert (repeat.model, repeat.completion_tokens, repeat.saved_j) == ("smol", 2, 1.5)


def test_joules_of_a_simulated_board_are_told_on_that_board_alone(
    cached: Any, service: Any, script: Any
) -> None:
    spent = script.cost(quality="modelled", simulated="raspberry-pi-5")
    service.twin = "raspberry-pi-5"
    service.script = lambda call: [
        script.started(),
        script.delta("Hi"),
        spent,
        script.finished(),
    ]
    first = edge_of(cached.chat(**GREEDY))
    assert (first["simulated"], first["energy_quality"]) == ("raspberry-pi-5", "modelled")
    again = edge_of(cached.chat(**GREEDY))
    told = again["cache_energy_j"], again["cache_energy_quality"], again["simulated"]
    assert told == (1.5, "modelled", "raspberry-pi-5")
    service.twin = None
    real = edge_of(cached.chat(**GREEDY))
    assert (real["cache"], real["cache_energy_j"]) == ("exact", None)
    assert (real["cache_energy_quality"], "simulated" in real) == ("unresolved", False)
    assert [repeat.saved_j for repeat in service.repeats] == [1.5, None]


def test_how_an_answer_was_decoded_is_told_again(cached: Any, service: Any, script: Any) -> None:
    service.mode = Mode("switch", "tiny", "the partner's prompt", Gating(share=0.3))
    end = Finished(1, 0, "stop", Timings(0.1, 0.2, 0.3, 10, 0, 4), made=Made(3, 1, 2))
    service.script = lambda call: [script.started(), script.delta("Hi"), script.cost(), end]
    asked = {**GREEDY, "edge": {"mode": "switch:entropy"}}
    first, again = (edge_of(cached.chat(**asked)) for _ in range(2))
    for name in ("mode", "partner", "small_tokens", "large_tokens", "switches"):
        assert again[name] == first[name]
    assert "cache" in again


# --- what is looked for, and what is kept


@pytest.mark.parametrize(
    ("fields", "hit"),
    [
        ({}, False),  # 0.7 is the model's own temperature
        ({"temperature": 0.5}, False),
        ({"temperature": 0}, True),
        ({"temperature": 0.5, "seed": 3}, True),
        ({"temperature": 0.5, "seed": -1}, False),
        ({"temperature": 0.5, "edge": {"cache": "use"}}, True),
        ({"temperature": 0, "edge": {"cache": "off"}}, False),
        ({"temperature": 0, "edge": {"cache": "refresh"}}, False),
        ({"temperature": 0, "edge": {"trace": True}}, True),
    ],
)
def test_who_gets_what_was_answered_before(
    cached: Any, service: Any, fields: dict, hit: bool
) -> None:
    cached.chat(**fields)
    assert ("cache" in edge_of(cached.chat(**fields))) == hit
    assert len(service.calls) == 2 - hit


def test_a_seed_counts_only_where_it_gives_one_answer(cached: Any, service: Any) -> None:
    service.seeds_repeat = False
    for _ in range(2):
        cached.chat(temperature=0.5, seed=3)
    assert len(service.calls) == 2
    for _ in range(2):
        cached.chat(**GREEDY)
    assert len(service.calls) == 3


def test_refresh_puts_a_new_answer_in_the_place_of_the_old(
    cached: Any, service: Any, script: Any
) -> None:
    def say(text: str) -> None:
        service.script = lambda call: [
            script.started(),
            script.delta(text),
            script.cost(),
            script.finished(),
        ]

    def said(**edge: Any) -> str:
        return cached.chat(**GREEDY, edge=edge).json()["choices"][0]["message"]["content"]

    say("old")
    assert said() == "old"
    say("new")
    assert said() == "old"
    assert said(cache="refresh") == "new"
    assert said() == said(cache="only") == "new"
    say("newest")
    assert said(cache="off") == "newest"
    assert said() == "new"


@pytest.mark.parametrize("stream", [False, True])
def test_only_what_was_answered_before_or_a_404(cached: Any, service: Any, stream: bool) -> None:
    asked = {"stream": stream, "edge": {"cache": "only"}}
    response = cached.chat(**asked)
    assert response.status == 404
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("not_cached", "edge.cache")
    cached.chat(edge={"cache": "use"})
    assert cached.chat(**asked).status == 200
    assert len(service.calls) == 1


def test_only_and_no_cache(client: Any, service: Any) -> None:
    response = client.chat(**GREEDY, edge={"cache": "only"})
    assert (response.status, service.calls) == (404, [])
    assert "cache is off" in response.json()["error"]["message"]


def test_a_word_that_the_cache_does_not_know(client: Any) -> None:
    assert client.chat(edge={"cache": "maybe"}).json()["error"]["param"] == "edge.cache"


def test_an_answer_that_fails_or_is_cut_is_not_kept(cached: Any, service: Any, script: Any) -> None:
    begun = [script.started(), script.delta("Hel")]
    for end in (
        [EngineError("died")],
        [],
        [script.cost(), script.finished(reason="preempted")],
        [script.cost(why="the joules are spent"), script.finished(reason="length")],
    ):
        for stream in (False, True):
            service.script = lambda call, end=end: [*begun, *end]
            cached.chat(**GREEDY, stream=stream)
    service.script = lambda call: [*begun, script.cost(), script.finished()]
    assert "cache" not in edge_of(cached.chat(**GREEDY))
    assert "cache" in edge_of(cached.chat(**GREEDY))


def test_an_answer_whose_client_left_is_not_kept(cached: Any, service: Any, script: Any) -> None:
    async def leave() -> None:
        never = asyncio.Event()
        service.script = lambda call: [script.started(), script.delta("x"), never]
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, **GREEDY}
        connection = cached.open("POST", "/v1/chat/completions", body)
        await connection.message()
        connection.leave()
        await connection.end()

    asyncio.run(leave())
    assert cached.chat(**GREEDY, edge={"cache": "only"}).status == 404


def test_the_answer_of_a_model_that_stood_in_is_not_kept(cached: Any, service: Any) -> None:
    service.stands_in = "other-1.5b@q4"
    assert cached.chat(**GREEDY).json()["model"] == "other-1.5b@q4"
    service.stands_in = None
    assert cached.chat(**GREEDY).json()["model"] == "smol"
    service.stands_in = "other-1.5b@q4"
    assert cached.chat(**GREEDY).json()["model"] == "smol"


def test_any_model_means_whichever_answered(cached: Any, service: Any) -> None:
    """The key is that of all that may, so that a hit does not wait for a choice among them."""

    async def route(route_request: Any) -> Plan:
        return Plan(service.models[-1].id, why="it takes least")

    service.route = route
    first = cached.chat(**GREEDY, model="auto").json()
    again = cached.chat(**GREEDY, model="auto").json()
    assert again["model"] == first["model"] == "other-1.5b@q4"
    assert (again["edge"]["route"], len(service.calls)) == ("it takes least", 1)
    service.models = service.models[1:]
    assert "cache" not in cached.chat(**GREEDY, model="auto").json()["edge"]


def test_a_template_that_knows_the_time_makes_another_question(cached: Any, service: Any) -> None:
    service.timed = ("smol",)
    service.prompt = "It is Monday."
    cached.chat(**GREEDY)
    assert "cache" in edge_of(cached.chat(**GREEDY))
    service.prompt = "It is Tuesday."
    assert "cache" not in edge_of(cached.chat(**GREEDY))


def test_so_does_the_template_of_a_partner(cached: Any, service: Any) -> None:
    service.timed = ("other-1.5b@q4",)
    helped = {**GREEDY, "edge": {"mode": "switch:entropy", "partner": "other-1.5b@q4"}}
    for prompt, hits in (("It is Monday.", (False, False)), ("It is Tuesday.", (False, True))):
        service.prompt = prompt
        assert tuple("cache" in edge_of(cached.chat(**how)) for how in (helped, GREEDY)) == hits


def test_a_template_that_knows_the_time_and_refuses_leaves_others_to_answer(
    cached: Any, service: Any
) -> None:
    render = service.render

    async def refuse(model: str, *args: Any, **fields: Any) -> str:
        if model == "smol":
            raise RequestError("it takes no such roles", param="messages")
        return await render(model, *args, **fields)

    async def route(route_request: Any) -> Plan:
        return Plan(service.models[-1].id)

    service.timed = tuple(card.id for card in service.models)
    service.render, service.route = refuse, route
    for hit in (False, True):
        assert ("cache" in edge_of(cached.chat(**GREEDY, model="auto"))) == hit


def test_an_answer_of_a_model_that_was_replaced_is_not_told(cached: Any, service: Any) -> None:
    """However often the very same bytes came before: 2 requests are answered, 1 is told again."""
    old = service.models
    for models, hits in (
        (old, (False, True, True)),
        (replaced(old), (False, True)),
        (old, (True,)),
    ):
        service.models = models
        assert tuple("cache" in edge_of(cached.chat(**GREEDY)) for _ in hits) == hits


def replaced(models: list[Any]) -> list[Any]:
    """Return the same models, of which the first has another file."""
    return [msgspec.structs.replace(models[0], sha256="f" * 64), *models[1:]]


def test_what_is_ignored_of_a_request_is_said_each_time(cached: Any) -> None:
    for hit in (False, True, True):
        response = cached.chat(**GREEDY, top_kk=3)
        assert ("cache" in edge_of(response)) == hit
        assert "`top_kk` is unknown and was ignored" in response.headers["x-edge-warning"]


def test_a_request_that_is_wrong_is_refused_each_time(cached: Any) -> None:
    for _ in range(2):
        response = cached.chat(**GREEDY, n=99)
        assert (response.status, response.json()["error"]["param"]) == (400, "n")


@pytest.mark.parametrize("stream", [False, True])
def test_a_hit_is_booked_once_when_the_answer_is_on_its_way(
    cached: Any, service: Any, stream: bool
) -> None:
    for _ in range(3):
        assert cached.chat(**GREEDY, stream=stream).status == 200
    assert [(one.model, one.completion_tokens) for one in service.repeats] == [("smol", 2)] * 2


def test_a_hit_writes_no_prompt(cached: Any, service: Any) -> None:
    cached.chat(**GREEDY)
    service.rendered.clear()
    service.wishes.clear()
    cached.chat(**GREEDY)
    assert (service.rendered, service.wishes) == ([], [])


def test_json_that_no_key_can_hold_is_answered_all_the_same(cached: Any) -> None:
    for _ in range(2):
        response = cached.chat(**GREEDY, chat_template_kwargs={"x": 2**70})
        assert response.status == 200
        assert "cache" not in edge_of(response)


# --- clients


@pytest.mark.parametrize("per_client", [False, True])
def test_clients_get_their_own_only_where_that_is_configured(
    make_client: Any, make_cache: Any, per_client: bool
) -> None:
    client = make_client(cache=make_cache(), per_client=per_client)

    def hit(**connection: Any) -> bool:
        body = {"messages": [{"role": "user", "content": "Hi"}], **GREEDY}
        return "cache" in edge_of(client.post("/v1/chat/completions", body, **connection))

    one, other = ({"state": {"peer_uid": uid}} for uid in (1000, 1001))
    assert not hit(**one)
    assert hit(**one)
    assert hit(**other) != per_client
    nobody = {"server": ("127.0.0.1", 80), "headers": {"host": "localhost"}}
    assert hit(**nobody) != per_client
    assert hit(**nobody) != per_client


def test_a_key_tells_clients_of_tcp_apart(make_client: Any, make_cache: Any) -> None:
    keys = ("sk-1", "sk-2")
    hashes = [hashlib.sha256(key.encode()).hexdigest() for key in keys]
    client = make_client(cache=make_cache(), per_client=True, api_key_sha256=hashes)

    def hit(key: str) -> bool:
        body = {"messages": [{"role": "user", "content": "Hi"}], **GREEDY}
        headers = {"authorization": f"Bearer {key}"}
        server = ("127.0.0.1", 80)
        response = client.post("/v1/chat/completions", body, headers=headers, server=server)
        return "cache" in edge_of(response)

    assert [hit(key) for key in ("sk-1", "sk-1", "sk-2", "sk-2")] == [False, True, False, True]
    report = client.get("/edge/v1/cache", headers={"authorization": "Bearer sk-1"})
    clients = {group["client"] for group in report.json()["groups"]}
    assert clients == {f"key:{digest[:12]}" for digest in hashes}
    assert "sk-1" not in json.dumps(report.json())


def test_the_engine_is_told_whose_turn_a_request_is_whatever_is_kept(
    make_client: Any, service: Any
) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "edge": {"cache": "off"}}
    response = make_client().post("/v1/chat/completions", body, state={"peer_uid": 1000})
    assert response.status == 200
    assert [(call.user, call.client) for call in service.calls] == [("uid:1000", None)]
