"""Tool calls of a real model, which knows no tools by itself: the grammar makes it write them."""

from __future__ import annotations

import json
import random
import signal
from collections import defaultdict
from typing import Any, Literal

import httpx
import jsonschema
import openai
import pytest
from canitoolcall.probe import probe
from pydantic import BaseModel
from strikes import Answer, Asking, beset

from edge_rt.models.catalogue import load_suggestions

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Paris", "Oslo"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "get_time", "parameters": NOTHING}},
]
SCHEMAS = {"get_weather": WEATHER, "get_time": NOTHING}
ASK = [{"role": "user", "content": "What is the weather in Oslo for 3 days?"}]
LINE = {"type": "string", "minLength": 4, "maxLength": 16}
LINES = {"type": "array", "items": LINE, "minItems": 12, "maxItems": 12}
WRITE = {"type": "object", "properties": {"lines": LINES}, "required": ["lines"]}
KINDS: list[dict[str, Any]] = [
    {"temperature": 0},
    {"temperature": 1.0, "seed": 3},
    {"temperature": 0, "edge": {"mode": "lookup"}},
]
# What is asked, the tool with its argument, what it returns, and what the answer must say of that.
LOOPS = (
    ("What is the weather in Paris?", "get_weather", "city", "14 degrees, light rain", "14"),
    ("How warm is it in the kitchen?", "get_temperature", "room", "21.5", "21.5"),
    ("When does the next train to Oslo leave?", "next_train", "city", "17:42", "17:42"),
)


def chat(sdk, messages=ASK, **fields):
    fields = {"model": "smollm2-135m-instruct", "tools": TOOLS, "max_tokens": 80} | fields
    return sdk.chat.completions.create(messages=messages, **fields)


def valid(calls) -> None:
    assert calls
    for call in calls:
        jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])


@pytest.mark.parametrize("fields", [{"temperature": 0}, {"temperature": 1.5, "seed": 7, "n": 3}])
def test_required_calls_are_valid_by_their_schemas(sdk, fields):
    answer = chat(sdk, tool_choice="required", parallel_tool_calls=False, **fields)
    for choice in answer.choices:
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        assert len(choice.message.tool_calls) == 1
        valid(choice.message.tool_calls)
    assert answer.model_extra["edge"]["tools"] == "generic"


def test_a_named_tool_is_called_and_its_result_answered(sdk):
    named = {"type": "function", "function": {"name": "get_weather"}}
    message = chat(sdk, temperature=0, tool_choice=named).choices[0].message
    assert [call.function.name for call in message.tool_calls] == ["get_weather"]
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}
    told = chat(sdk, [*ASK, message, result], temperature=0, tool_choice="none", max_tokens=8)
    assert told.choices[0].message.content


def test_a_stream_has_the_same_calls(sdk):
    fields = {"temperature": 0, "tool_choice": "required"}
    whole = chat(sdk, **fields).choices[0]
    made: defaultdict[int, str] = defaultdict(str)
    *chunks, last = chat(sdk, stream=True, **fields)
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or ():
            made[call.index] += f"{call.function.name}{call.function.arguments}"
    told = [f"{c.function.name}{c.function.arguments}" for c in whole.message.tool_calls or ()]
    assert [made[index] for index in sorted(made)] == told
    assert last.choices[0].finish_reason == whole.finish_reason


def test_without_a_call_the_answer_is_text(sdk):
    choice = chat(sdk, temperature=0, tool_choice="none", max_tokens=8).choices[0]
    assert choice.message.content
    assert choice.message.tool_calls is None


def test_an_unenforceable_schema_of_a_strict_tool_is_named(sdk):
    schema = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    with pytest.raises(openai.BadRequestError) as caught:
        chat(sdk, tools=[tool], tool_choice="required")
    assert caught.value.param == "tools"
    assert "uniqueItems" in str(caught.value)


class Weather(BaseModel):
    city: Literal["Paris", "Oslo"]
    sky: Literal["rain", "sun"]


def test_the_sdk_parses_answers_and_calls_by_classes(sdk):
    ask = {"model": "smollm2-135m-instruct", "messages": ASK, "temperature": 0, "max_tokens": 80}
    answer = sdk.chat.completions.parse(response_format=Weather, **ask)
    assert isinstance(answer.choices[0].message.parsed, Weather)
    tool = openai.pydantic_function_tool(Weather)
    answer = sdk.chat.completions.parse(tools=[tool], tool_choice="required", **ask)
    for call in answer.choices[0].message.tool_calls:
        assert isinstance(call.function.parsed_arguments, Weather)


def made(tools: Any, body: dict[str, Any]) -> Answer:
    """The calls of a streamed answer; their ids differ from answer to answer."""

    def answer(client: httpx.Client) -> Any:
        calls: list[Any] = []
        with client.stream("POST", "/v1/chat/completions", json=body | {"stream": True}) as told:
            assert told.status_code == 200, told.read()
            for document in tools.events(told):
                assert "error" not in document, document
                for choice in document["choices"]:
                    calls += [one["function"] for one in choice["delta"].get("tool_calls", ())]
        assert calls
        for call in calls:
            jsonschema.validate(json.loads(call["arguments"]), WRITE)
        return calls

    return answer


@pytest.mark.parametrize(
    "kills", [pytest.param(4, id="short"), pytest.param(40, id="whole", marks=pytest.mark.whole)]
)
def test_an_engine_that_is_killed_within_a_call_changes_nothing(own_daemon, tools, kills):
    daemon = own_daemon()
    tool = {"type": "function", "function": {"name": "write", "parameters": WRITE}}
    body = {"model": daemon.model, "messages": ASK, "tools": [tool], "tool_choice": "required"}
    body |= {"max_tokens": 400, "parallel_tool_calls": False}
    streams = [Asking(daemon.client(), made(tools, body | kind)) for kind in KINDS]
    signs = [signal.SIGKILL] * kills
    beset(tools.together, daemon.process.pid, signs, random.Random(4), streams)
    assert all(stream.answers > 1 for stream in streams)
    assert daemon.status()["engine"]["restarts"] >= kills


@pytest.mark.qwen
def test_a_model_that_knows_tools_passes_canitoolcalls_probe(make_daemon, cache):
    daemon = make_daemon(cache / "store", tcp={"listen": "127.0.0.1:0"})
    try:
        model = "qwen2.5-coder-1.5b-instruct"
        report = probe(f"{daemon.url()}/v1", model, timeout_s=600, concurrency=1)
        assert {one.status for one in report.outcomes} == {"pass"}, report.render_text()
    finally:
        daemon.close()


def ends_loop(daemon, model, ask, name, argument, result, figure) -> bool:
    """Return whether the model calls the tool and then answers with what the tool returned."""
    parameters = {"properties": {argument: {"type": "string"}}, "required": [argument]}
    function = {"name": name, "parameters": {"type": "object", **parameters}}
    body = {"model": model, "tools": [{"type": "function", "function": function}]}
    body |= {"temperature": 0, "max_tokens": 64}
    messages = [{"role": "user", "content": ask}]

    def said() -> dict[str, Any]:
        asked = body | {"messages": messages}
        answer = daemon.http.post("/v1/chat/completions", json=asked, timeout=600)
        assert answer.status_code == 200, answer.text
        return answer.json()["choices"][0]["message"]

    first = said()
    calls = first.get("tool_calls") or []
    results = [{"role": "tool", "tool_call_id": one["id"], "content": result} for one in calls]
    messages += [first, *results]
    last = said() if calls else {}
    text = last.get("content") or ""
    return not last.get("tool_calls") and figure in text and '"arguments"' not in text


@pytest.mark.qwen
@pytest.mark.parametrize("size", ["0.5b", "1.5b"])
def test_only_a_model_that_ends_loops_is_suggested_for_tools(make_daemon, cache, size):
    daemon, model = make_daemon(cache / "store"), f"qwen2.5-coder-{size}-instruct"
    try:
        ended = sum(ends_loop(daemon, model, *loop) for loop in LOOPS)
    finally:
        daemon.close()
    [tasks] = [one.tasks for one in load_suggestions() if one.name == model]
    assert (ended > len(LOOPS) / 2) == ("tools" in tasks), f"{ended} of {len(LOOPS)} have ended"
