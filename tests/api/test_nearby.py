"""A question that means the same as an earlier one gets its answer, and is told so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_rt.api.caching import EXPLORED, LONGEST_TEXT
from edge_rt.core.cached import Kept, digest
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.generation.cache.exact import ExactCache
from edge_rt.generation.cache.semantic import Comparison, Neighbour, Question, SemanticCache
from edge_rt.generation.cache.tables import vector
from edge_rt.generation.cache.verified import figures

GREEDY = {"temperature": 0}
FIRST, AGAIN, OTHER = "Name three rivers.", "Please name 3 rivers.", "Name four rivers."
NOW = 1_800_000_000.5
SYSTEM = {"role": "system", "content": "Be brief."}
TURN = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."})


def taught() -> Iterator[tuple[str, str, bool]]:
    """Pairs of questions, and whether one answer does for both: by these words, and no others."""
    for number in range(60):
        thing = f"thing{number}"
        yield f"Name three {thing}.", f"Please name 3 {thing}.", True
        yield f"Name 3 {thing}.", f"Please do name 3 {thing}.", True
        yield f"Name three {thing}.", f"Name three {thing}. Please.", True
        yield f"Name three {thing}.", f"Name 3 {thing}.", True
        yield f"Name three {thing}.", f"Name {'four' if number % 2 else 'five'} {thing}.", False
        yield f"Please name 3 {thing}.", f"Name four {thing}.", False
        yield f"Name three {thing}.", f"Name three {thing[::-1]}.", False


def teach(semantic: SemanticCache, service: Any) -> None:
    """Have the cache learn what `taught` tells, as from answers that were compared."""
    vec = next(card for card in service.silent if card.id == "vec")
    space = digest(vec.id, vec.sha256)
    verifier = semantic.verifier(space)
    for number, (one, other, same) in enumerate(taught()):
        key = digest(number)
        found = figures(0.99, one, other, key)
        near = Neighbour(key, one, 0.99, found, verifier.lower(found), False)
        asked = Question(b"", other, vector(bytes(4)), space)
        kept = Kept(digest("again", number), "smol", "uid:1", NOW, b"")
        semantic.learn(Comparison(asked, kept, "", near, ""), same)


@pytest.fixture
def make_near(
    make_client: Any, make_cache: Any, service: Any, tmp_path: Path
) -> Callable[..., Any]:
    """Makes clients of an app that compares questions; all their vectors lie close together."""

    def make(
        per_client: bool = False,
        clock: Callable[[], float] = lambda: NOW,
        draw: Callable[[], float] = lambda: 0.99,
        knows: bool = True,
    ) -> Any:
        bounds = {"ttl_s": 1000.0, "max_bytes": 1 << 20, "memory_bytes": 1 << 16}
        semantic = SemanticCache(ExactCache(tmp_path / "s.db", clock=clock, **bounds), most=100)
        if knows:
            teach(semantic, service)
        cache = make_cache(clock=clock)
        options = {"semantic": semantic, "embedding": "vec", "per_client": per_client}
        return make_client(cache=cache, clock=clock, draw=draw, **options)

    return make


@pytest.fixture
def near(make_near: Callable[..., Any]) -> Any:
    return make_near()


def ask(client: Any, text: str, *, before: tuple[dict, ...] = (), uid: int = 1, **body: Any) -> Any:
    messages = [*before, {"role": "user", "content": text}]
    state = {"peer_uid": uid}
    document = {"messages": messages, **GREEDY, **body}
    return client.post("/v1/chat/completions", document, state=state)


def edge_of(response: Any) -> dict[str, Any]:
    assert response.status == 200, response.body
    if response.headers["content-type"] == "application/json":
        return response.json()["edge"]
    *_, last = [e["edge"] for e in response.events() if e != "[DONE]" and "edge" in e]
    return last


def found(response: Any) -> str | None:
    """As what an answer was found."""
    return edge_of(response).get("cache")


def test_the_answer_says_which_question_it_was_given_to(make_near: Any, service: Any) -> None:
    now = [NOW]
    client = make_near(clock=lambda: now[0])
    first = ask(client, FIRST)
    now[0] += 12.5
    response = ask(client, AGAIN)
    edge = edge_of(response)
    assert response.json()["choices"] == first.json()["choices"]
    assert len(service.calls) == 1
    assert (edge["cache"], edge["cache_age_s"], edge["cache_question"]) == ("semantic", 12.5, FIRST)
    assert 0.8 <= edge["cache_cosine"] <= 1
    assert 0 < edge["cache_doubt"] < 0.2
    assert (edge["energy_j"], edge["energy_quality"]) == (1.5, "measured")  # of the embedding
    assert response.headers["x-edge-cache"] == "semantic"
    (repeat,) = service.repeats
    assert (repeat.model, repeat.saved_j) == ("smol", 1.5)


def test_each_time_it_is_looked_for_has_its_own_cost(near: Any, service: Any) -> None:
    spent, embed = count(1), service.embed

    async def dearer(call: Any) -> Any:
        embedded, cost = await embed(call)
        return embedded, msgspec.structs.replace(cost, energy_j=float(next(spent)))

    service.embed = dearer
    ask(near, FIRST)
    assert [edge_of(ask(near, AGAIN))["energy_j"] for _ in range(3)] == [2.0, 3.0, 4.0]


def test_a_stream_is_told_again(near: Any, service: Any) -> None:
    first = ask(near, FIRST, stream=True).events()
    again = ask(near, AGAIN, stream=True)
    deltas = [
        [e["choices"][0]["delta"] for e in events if e != "[DONE]"]
        for events in (first, again.events())
    ]
    first_text, again_text = ("".join(d.get("content", "") for d in each) for each in deltas)
    assert first_text == again_text
    assert [each[0] for each in deltas] == [{"role": "assistant", "content": ""}] * 2
    assert found(again) == "semantic"
    assert len(service.calls) == 1


def test_the_very_same_question_needs_no_embedding(near: Any, service: Any) -> None:
    ask(near, FIRST)
    embeds = len(service.embeds)
    assert found(ask(near, FIRST)) == "exact"
    assert (embeds, len(service.embeds)) == (1, 1)


def test_a_long_question_is_shortened_where_it_is_told(near: Any) -> None:
    text = "Name three rivers " + "that flow through wide valleys " * 6
    ask(near, text)
    told = edge_of(ask(near, f"Please {text}"))["cache_question"]
    assert (len(told), told[:-1]) == (120, text[:119])


@pytest.mark.parametrize(
    "differs",
    [
        {"before": (SYSTEM,)},
        {"before": TURN},
        {"max_tokens": 7},
        {"seed": 3},
        {"stop": "x"},
        {"n": 2},
        {"logprobs": True},
        {"model": "other-1.5b@q4"},
        {"top_p": 0.5},
        {"chat_template_kwargs": {"a": 1}},
        {"edge": {"prefer": "latency"}},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ],
)
def test_all_but_the_text_must_be_the_same(near: Any, differs: dict[str, Any]) -> None:
    ask(near, FIRST)
    assert found(ask(near, AGAIN, **differs)) is None
    assert found(ask(near, "Please name three rivers.", **differs)) == "semantic"
    assert found(ask(near, OTHER)) is None


def test_the_same_history_is_needed_and_enough(near: Any) -> None:
    ask(near, FIRST, before=(SYSTEM, *TURN))
    assert found(ask(near, AGAIN, before=(SYSTEM, *TURN))) == "semantic"
    parts = [{"type": "text", "text": "Please name three rivers."}]
    messages = [SYSTEM, *TURN, {"role": "user", "content": parts}]
    response = near.post("/v1/chat/completions", {"messages": messages, **GREEDY})
    assert found(response) == "semantic"
    other = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hullo."})
    assert found(ask(near, AGAIN, before=(SYSTEM, *other))) is None


def test_answers_that_might_be_others_are_given_to_who_asks_for_that(
    near: Any, service: Any
) -> None:
    drawn, use = {"temperature": 1.0}, {"edge": {"cache": "use"}}
    ask(near, FIRST, **drawn)
    assert found(ask(near, AGAIN, **drawn)) is None
    assert service.embeds == []
    ask(near, FIRST, **drawn, **use)
    assert found(ask(near, AGAIN, **drawn, **use)) == "semantic"


def test_what_a_request_wants_of_the_cache(near: Any, service: Any) -> None:
    def wanted(text: str, cache: str) -> Any:
        return ask(near, text, edge={"cache": cache})

    assert wanted(FIRST, "only").status == 404
    assert wanted(FIRST, "off").status == 200
    assert (len(service.calls), len(service.embeds)) == (1, 1)
    assert found(wanted(FIRST, "refresh")) is None
    assert found(wanted(AGAIN, "refresh")) is None
    assert len(service.calls) == 3
    assert found(wanted("Name 3 rivers, please.", "only")) == "semantic"
    assert wanted(OTHER, "only").json()["error"]["code"] == "not_cached"
    assert found(wanted("Please do name 3 rivers.", "use")) == "semantic"


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable("too hot to load anything", retry_after_s=5.0),
        RequestError("too long", param="input", code="context_length_exceeded"),
    ],
)
def test_without_an_embedding_requests_are_answered(
    near: Any, service: Any, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    service.fault = fault
    with caplog.at_level(logging.WARNING):
        for text in (FIRST, AGAIN, OTHER):
            assert found(ask(near, text)) is None
    assert len(service.calls) == 3
    assert len(caplog.records) == isinstance(fault, Unavailable)  # once, not at each request
    service.fault = None
    assert found(ask(near, FIRST)) == "exact"
    ask(near, "Name three lakes.")
    assert found(ask(near, "Please name 3 lakes.")) == "semantic"


def test_vectors_of_another_model_are_not_compared(near: Any, service: Any) -> None:
    ask(near, FIRST)
    service.silent = [msgspec.structs.replace(card, sha256="0" * 64) for card in service.silent]
    assert found(ask(near, AGAIN)) is None
    assert near.get("/edge/v1/cache").json()["semantic"]["comparisons"] == 420  # of the first


def test_a_model_that_is_not_there_is_missed_by_nobody(near: Any, service: Any) -> None:
    service.silent = []
    assert found(ask(near, FIRST)) is None


@pytest.mark.parametrize("text", ["", "word " * (LONGEST_TEXT // 5 + 1)])
def test_what_is_no_question_is_not_embedded(near: Any, service: Any, text: str) -> None:
    ask(near, text)
    assert service.embeds == []


def test_only_what_the_user_said_last_is_compared(near: Any, service: Any) -> None:
    messages = [{"role": "user", "content": FIRST}, {"role": "assistant", "content": "The"}]
    near.post("/v1/chat/completions", {"messages": messages, **GREEDY})
    near.post("/v1/completions", {"prompt": FIRST, **GREEDY})
    assert service.embeds == []


def test_a_template_that_knows_the_time_makes_another_question(near: Any, service: Any) -> None:
    service.timed, service.prompt = ("smol",), "It is Monday."
    ask(near, FIRST)
    assert found(ask(near, AGAIN)) == "semantic"
    service.prompt = "It is Tuesday."
    assert found(ask(near, AGAIN)) is None


@pytest.mark.parametrize("per_client", [False, True])
def test_clients_get_their_own_only_where_that_is_configured(
    make_near: Any, per_client: bool
) -> None:
    client = make_near(per_client=per_client)
    ask(client, FIRST, uid=1)
    assert found(ask(client, AGAIN, uid=1)) == "semantic"
    assert (found(ask(client, AGAIN, uid=2)) is None) == per_client


def test_what_looking_for_it_took_is_part_of_the_new_answers_cost(near: Any, service: Any) -> None:
    for stream in (False, True):
        edge = edge_of(ask(near, f"{FIRST} {stream}", stream=stream, edge={"energy_j": 4.0}))
        assert (edge["energy_j"], edge["energy_quality"]) == (3.0, "measured")
    assert [call.energy_j for call in service.embeds] == [4.0, 4.0]
    assert [call.energy_j for call in service.calls] == [2.5, 2.5]
    assert edge_of(ask(near, f"{FIRST} True", edge={"energy_j": 4.0}))["cache_energy_j"] == 1.5
    lines = near.get("/metrics").body.decode().splitlines()
    joules = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("edge_rt_energy_joules")]
    assert sorted(joules) == ["3.0", "3.0"]


def test_what_is_purged_is_not_found_by_its_meaning_either(near: Any) -> None:
    ask(near, FIRST)
    assert near.post("/edge/v1/cache/purge", {"model": "smol"}).json()["answers"] == 1
    assert found(ask(near, AGAIN)) is None


def test_what_it_brought_is_told(near: Any) -> None:
    for text in (FIRST, AGAIN, OTHER):
        ask(near, text)
    report = near.get("/edge/v1/cache").json()
    told = {"model": "vec", "questions": 2, "hits": 1, "comparisons": 421, "verdicts_j": 0.0}
    assert report["semantic"] == told | {"same": 241, "different": 180}
    assert (report["hits"], report["misses"]) == (1, 2)
    lines = near.get("/metrics").body.decode().splitlines()
    shown = dict(line.rsplit(" ", 1) for line in lines if line.startswith("edge_rt_"))
    assert shown["edge_rt_cache_semantic_hits_total"] == "1.0"
    assert shown['edge_rt_tokens_total{kind="prompt",model="vec"}'] == str(
        float(len(FIRST + AGAIN + OTHER))
    )


def test_without_a_model_nothing_is_compared(make_client: Any, make_cache: Any) -> None:
    client = make_client(cache=make_cache())
    ask(client, FIRST)
    assert found(ask(client, AGAIN)) is None
    assert client.get("/edge/v1/cache").json()["semantic"] is None


def test_the_first_days_have_no_hits_but_comparisons(make_near: Any, service: Any) -> None:
    client = make_near(knows=False)
    ask(client, FIRST)
    assert found(ask(client, AGAIN)) is None
    assert found(ask(client, "Please name three rivers.")) is None
    told = client.get("/edge/v1/cache").json()["semantic"]
    assert (told["hits"], told["comparisons"], told["same"]) == (0, 2, 2)
    lines = client.get("/metrics").body.decode().splitlines()
    assert 'edge_rt_cache_comparisons_total{verdict="same"} 2.0' in lines


def test_an_answer_with_other_words_teaches_that_they_differ(
    make_near: Any, service: Any, script: Any
) -> None:
    client = make_near(knows=False)
    ask(client, FIRST)
    said = [script.started(), script.delta("Hi"), script.cost(), script.finished()]
    service.script = lambda call: said
    ask(client, OTHER)
    told = client.get("/edge/v1/cache").json()["semantic"]
    assert (told["same"], told["different"]) == (0, 1)


def test_some_hits_are_answered_anew_and_compared(make_near: Any, service: Any) -> None:
    drawn = iter((EXPLORED - 0.001, EXPLORED))
    client = make_near(draw=lambda: next(drawn))
    ask(client, FIRST)
    before = client.get("/edge/v1/cache").json()["semantic"]["comparisons"]
    assert found(ask(client, AGAIN)) is None
    assert client.get("/edge/v1/cache").json()["semantic"]["comparisons"] == before + 1
    assert found(ask(client, "Please do name 3 rivers.")) == "semantic"


def test_who_takes_nothing_else_is_not_answered_anew(make_near: Any) -> None:
    client = make_near(draw=lambda: 0.0)
    ask(client, FIRST)
    assert found(ask(client, AGAIN, edge={"cache": "only"})) == "semantic"
