"""Whatever is asked otherwise is another question: no hit for what differs in one field."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Each has about 30 requests that differ from the first in one field.
EXAMPLES = 4 * settings().max_examples

TEXT = st.text(max_size=12)
SHARE = st.floats(0, 1, allow_nan=False)
PENALTY = st.floats(-2, 2, allow_nan=False)
COUNT = st.integers(1, 50)
STOP = st.lists(st.text(min_size=1, max_size=4), max_size=3)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=4,
)
TOOL = st.builds(
    lambda name, more: {"type": "function", "function": {"name": name, "description": more}},
    st.from_regex(r"\w{1,9}", fullmatch=True),
    JSON,
)
EDGE: dict[str, tuple[Any, Any]] = {
    "prefer": (st.sampled_from(["latency", "quality"]), None),
    "quality": (st.sampled_from(["low", "high", 0.3]), None),
    "mode": (st.sampled_from(["single", "lookup", "speculative", "switch:entropy"]), None),
    "partner": (st.sampled_from(["smol", "tiny"]), None),
    "large_share": (SHARE, None),
    "threshold": (SHARE, None),
    "latency_s": (st.floats(1, 9), None),
    "energy_j": (st.floats(1, 9), None),
}
FORMAT = st.builds(
    lambda strict, schema: {
        "type": "json_schema",
        "json_schema": {"strict": strict, "schema": schema},
    },
    st.booleans(),
    st.dictionaries(TEXT, JSON, max_size=2),
)
GRAMMAR = st.sampled_from(["root ::= [a-z]", 'start: "a"'])
IN_EDGE: dict[str, st.SearchStrategy[Any]] = {
    "regex": st.sampled_from(["a+", "b?"]),
    "choice": st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3),
}
ROLES = ("system", "user", "assistant")


def tool_name(tool: dict[str, Any]) -> str:
    return tool["function"]["name"]


# Fields of every request, and what those get that leave them out.
SAMPLING: dict[str, tuple[Any, Any]] = {
    "temperature": (st.floats(0, 2, allow_nan=False), 0.7),
    "top_p": (SHARE, 1.0),
    "min_p": (SHARE, 0.0),
    "top_k": (st.integers(0, 99), 40),
    "presence_penalty": (PENALTY, 0.0),
    "frequency_penalty": (PENALTY, 0.0),
    "repeat_penalty": (st.floats(0.01, 3), 1.0),
    "repeat_last_n": (st.integers(-1, 99), 64),
    "seed": (st.integers(0, 2**63 - 1), None),
    "logit_bias": (st.dictionaries(st.sampled_from("123456789"), st.floats(-9, 9)), {}),
    "max_tokens": (COUNT, None),
    "n": (st.integers(1, 3), 1),
    "stop": (STOP, []),
    "ignore_eos": (st.booleans(), False),
    "logprobs": (st.booleans(), False),
    "tools": (st.lists(TOOL, min_size=1, max_size=2, unique_by=tool_name), None),
    "chat_template_kwargs": (st.dictionaries(TEXT, JSON, max_size=2), None),
    "model": (st.sampled_from(["smol", "other-1.5b@q4", "auto"]), "smol"),
}


def messages() -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.builds(
        lambda role, text: {"role": role, "content": text}, st.sampled_from(ROLES), TEXT
    )
    return st.lists(one, min_size=1, max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request that the app can answer."""
    body: dict[str, Any] = {"messages": draw(messages())}
    for name in draw(st.sets(st.sampled_from(list(SAMPLING)))):
        body[name] = draw(SAMPLING[name][0])
    if body.get("model") == "auto":  # for which the scripted daemon has no answer
        del body["model"]
    body["edge"] = {"cache": "use"}
    if draw(st.booleans()):
        body["response_format"] = draw(FORMAT)
    if draw(st.booleans()):
        body["edge"] |= {"mode": "switch:entropy", "large_share": draw(SHARE)}
    return body


def others(draw: st.DrawFn, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Requests that differ from `body` in one field each, in what it means."""
    for name, (values, usual) in SAMPLING.items():
        if (other := draw(values)) != body.get(name, usual):
            yield body | {name: other}
    for name, (values, usual) in EDGE.items():
        if (other := draw(values)) != body["edge"].get(name, usual):
            yield body | {"edge": body["edge"] | {name: other}}
    yield from otherwise_constrained(draw, body)
    for place, message in enumerate(body["messages"]):
        for field, value in (
            ("content", message["content"] + draw(st.characters(codec="utf-8"))),
            ("role", ROLES[ROLES.index(message["role"]) - 1]),
            ("name", draw(TEXT)),
        ):
            changed = copy.deepcopy(body)
            changed["messages"][place][field] = value
            yield changed
    yield body | {"messages": [*body["messages"], body["messages"][-1]]}
    if len(body["messages"]) > 1:
        yield body | {"messages": body["messages"][1:]}
    if body.get("logprobs"):
        yield body | {"top_logprobs": draw(st.integers(1, 20))}


def otherwise_constrained(draw: st.DrawFn, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if (other := draw(FORMAT)) != body.get("response_format"):
        yield body | {"response_format": other}
    plain = {name: value for name, value in body.items() if name != "response_format"}
    yield plain | {"grammar": draw(GRAMMAR)}
    for name, values in IN_EDGE.items():
        yield plain | {"edge": body["edge"] | {name: draw(values)}}


@pytest.fixture(scope="module")
def seen() -> Iterator[list[int]]:
    """Counts requests; there must be as many as are promised."""
    counts: list[int] = []
    yield counts
    assert sum(counts) >= 25 * EXAMPLES  # of the usual 100: 10,000


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_request_gets_the_answer_of_one_that_differs_in_one_field(
    make_client: Any, make_cache: Any, data: st.DataObject, seen: list[int]
) -> None:
    body = data.draw(requests())
    asked = list(others(data.draw, body))
    seen.append(len(asked))
    client = make_client(cache=make_cache())

    async def answer(request: dict[str, Any]) -> Any:
        return await client.open("POST", "/v1/chat/completions", request).end()

    def only(request: dict[str, Any]) -> dict[str, Any]:
        return request | {"edge": request["edge"] | {"cache": "only"}}

    async def run() -> None:
        first = await answer(body)
        assert first.status == 200, first.body
        for other in asked:
            response = await answer(only(other))
            assert response.json()["error"]["code"] == "not_cached", (body, other)
        again = await answer(only(body))
        assert json.loads(again.body)["edge"]["cache"] == "exact"

    asyncio.run(run())


# --- what is the same question


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({}, {"temperature": 0.7, "top_k": 40, "top_p": 1.0}),  # the model's own, spelt out
        ({}, {"model": "smol"}),
        ({}, {"model": "default"}),
        ({}, {"n": 1, "stop": [], "ignore_eos": False, "logit_bias": {}}),
        ({"top_k": 0}, {"top_k": -1}),
        ({"stop": "x"}, {"stop": ["x"]}),
        ({"repeat_penalty": 1.5}, {"repetition_penalty": 1.5}),
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"temperature": 1}, {"temperature": 1.0}),
        ({}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({}, {"user": "me", "metadata": {"a": 1}}),
    ],
)
def test_what_is_spelt_otherwise_is_the_same_question(
    make_client: Any, make_cache: Any, service: Any, one: dict, same: dict
) -> None:
    client = make_client(cache=make_cache())
    for fields in (one, same):
        assert client.chat(**fields, edge={"cache": "use"}).status == 200
    assert len(service.calls) == 1


def test_an_omitted_temperature_is_not_0(make_client: Any, make_cache: Any, service: Any) -> None:
    client = make_client(cache=make_cache())
    for fields in ({"temperature": 0}, {}):
        client.chat(**fields, edge={"cache": "use"})
    assert len(service.calls) == 2


def test_the_two_endpoints_ask_different_questions(
    make_client: Any, make_cache: Any, service: Any
) -> None:
    client = make_client(cache=make_cache())
    client.chat(edge={"cache": "use"}, max_tokens=16)
    client.complete(edge={"cache": "use"}, max_tokens=16)
    assert len(service.calls) == 2
    for other in ({"prompt": "Twice"}, {"echo": True}, {"logprobs": 0}, {"prompt": [1, 2]}):
        made = len(service.calls)
        client.complete(edge={"cache": "use"}, max_tokens=16, **other)
        assert len(service.calls) > made
