"""POST /v1/messages: requests become calls, events become the documents of that API."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import ANY

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from msgspec.structs import replace
from pydantic import TypeAdapter

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.core.errors import EngineError, RequestError, Unavailable

USER = {"role": "user", "content": "Hi"}
WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALLED = {"type": "tool_use", "id": "toolu_c1", "name": "weather", "input": {"city": "Oslo"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_c1", "content": "rain"}
THINKS = ChatFormat(GENERIC, thinking=ThinkFormat("<think>", "</think>", "enable_thinking"))
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
EVENT = TypeAdapter(RawMessageStreamEvent)


def ask(client, *messages: Any, **fields: Any) -> Any:
    path = fields.pop("path", "/v1/messages")
    body = {"model": "smol", "max_tokens": 9, "messages": [*messages] or [USER], **fields}
    return client.post(path, {k: v for k, v in body.items() if v is not None})


def whole(response) -> dict:
    assert response.status == 200, response.body
    answer = response.json()
    Message.model_validate(answer)
    return answer


def events(response) -> list[dict]:
    assert response.status == 200, response.body
    assert response.headers["content-type"].startswith("text/event-stream")
    *blocks, rest = response.body.decode().split("\n\n")
    assert not rest
    told = []
    for block in blocks:
        name, data = block.split("\n")
        told.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {told[-1]['type']}"
        if told[-1]["type"] != "error":
            EVENT.validate_python(told[-1])
    return told


def fault(response, status=400) -> dict:
    assert response.status == status, response.body
    document = response.json()
    assert document["type"] == "error"
    return document["error"]


def says(service, script, *texts, reason="stop", stop=None) -> None:
    service.script = lambda call: [
        script.started(),
        *(script.delta(text) for text in texts),
        script.cost(),
        replace(script.finished(reason=reason, tokens=len(texts)), stop=stop),
    ]


def prompted(service) -> list[dict]:
    return service.rendered[-1]["messages"]


def test_a_whole_answer(client) -> None:
    answer = whole(ask(client))
    assert answer == {
        "id": "msg_42",
        "type": "message",
        "role": "assistant",
        "model": "smol",
        "content": [{"type": "text", "text": "Hello world"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 2,
        },
        "edge": ANY,
    }
    assert (answer["edge"]["energy_j"], answer["edge"]["model"]) == (1.5, "smol")


def test_a_streamed_answer(client) -> None:
    begin, *told = events(ask(client, stream=True))
    assert begin["type"] == "message_start"
    assert begin["message"]["usage"]["input_tokens"] == 6
    assert begin["message"]["content"] == []
    *blocks, last, end = told
    assert blocks == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}}
            for t in ("Hello", " world")
        ),
        {"type": "content_block_stop", "index": 0},
    ]
    assert last["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert last["usage"]["output_tokens"] == 2
    assert last["edge"]["energy_j"] == 1.5
    assert end == {"type": "message_stop"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reason", "stop", "told"),
    [
        ("length", None, ("max_tokens", None)),
        ("stop", "END", ("stop_sequence", "END")),
        ("stop", None, ("end_turn", None)),
    ],
)
def test_why_an_answer_ended(client, service, script, stream, reason, stop, told) -> None:
    says(service, script, "Hello", reason=reason, stop=stop)
    response = ask(client, stream=stream, stop_sequences=["END"])
    found = events(response)[-2]["delta"] if stream else whole(response)
    assert (found["stop_reason"], found["stop_sequence"]) == told
    assert service.calls[-1].stop == ("END",)


def test_thoughts_and_calls_are_blocks(client, service, script) -> None:
    service.format = THINKS
    says(service, script, "<think>hm", "m</think>", "So:", CALL)
    answer = whole(ask(client, tools=[WEATHER]))
    thinking, text, call = answer["content"]
    assert thinking == {"type": "thinking", "thinking": "hmm", "signature": ""}
    assert text == {"type": "text", "text": "So:"}
    assert call == {"type": "tool_use", "id": ANY, "name": "weather", "input": {"city": "Oslo"}}
    assert call["id"].startswith("toolu_")
    assert answer["stop_reason"] == "tool_use"


def test_streamed_blocks_are_opened_and_closed_in_turn(client, service, script) -> None:
    service.format = THINKS
    says(service, script, "<think>hm</think>", "So:", CALL, CALL.replace("Oslo", "Rome"))
    told = events(ask(client, tools=[WEATHER], stream=True))
    opened = [one["content_block"]["type"] for one in told if one["type"] == "content_block_start"]
    assert opened == ["thinking", "text", "tool_use", "tool_use"]
    starts = [one["index"] for one in told if one["type"] == "content_block_start"]
    stops = [one["index"] for one in told if one["type"] == "content_block_stop"]
    assert starts == stops == [0, 1, 2, 3]
    deltas = [one["delta"] for one in told if one["type"] == "content_block_delta"]
    assert deltas[0] == {"type": "thinking_delta", "thinking": "hm"}
    parts = [json.loads(one["partial_json"]) for one in deltas if "partial_json" in one]
    assert parts == [{"city": "Oslo"}, {"city": "Rome"}]


def test_a_conversation_with_results_of_tools(client, service) -> None:
    turn = [{"type": "thinking", "thinking": "hm", "signature": "x"}, CALLED]
    said = {"role": "user", "content": [RESULT, {"type": "text", "text": "And now?"}]}
    whole(ask(client, USER, {"role": "assistant", "content": turn}, said, tools=[WEATHER]))
    assert prompted(service) == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": {"city": "Oslo"}},
                }
            ],
            "reasoning_content": "hm",
        },
        {"role": "tool", "content": "rain", "name": "weather", "tool_call_id": "c1"},
        {"role": "user", "content": "And now?"},
    ]


def test_a_failed_tool_is_told_to_the_model(client, service) -> None:
    failed = RESULT | {"is_error": True, "content": [{"type": "text", "text": "no net"}]}
    whole(ask(client, {"role": "assistant", "content": [CALLED]}, {**USER, "content": [failed]}))
    assert prompted(service)[-1]["content"] == "Error: no net"


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_the_system_speaks_first(client, service, system) -> None:
    whole(ask(client, system=system))
    assert prompted(service)[0] == {"role": "system", "content": "Be brief."}


def test_a_last_turn_of_the_assistant_is_continued(client, service) -> None:
    whole(ask(client, USER, {"role": "assistant", "content": "Well"}))
    assert service.rendered[-1]["end"] == "inside"


@pytest.mark.parametrize(
    ("thinking", "thinks", "limit"),
    [
        ({"type": "disabled"}, False, None),
        ({"type": "adaptive"}, True, None),
        ({"type": "enabled", "budget_tokens": 1024}, True, 1024),
        (None, None, None),
    ],
)
def test_thinking(client, service, thinking, thinks, limit) -> None:
    service.format = THINKS
    whole(ask(client, thinking=thinking))
    assert (service.rendered[-1]["variables"] or {}).get("enable_thinking") is thinks
    told = service.calls[-1].thinking
    assert (told and told.tokens) == limit


@pytest.mark.parametrize(
    ("choice", "required", "names"),
    [
        (None, False, ["weather", "other"]),
        ({"type": "auto"}, False, ["weather", "other"]),
        ({"type": "any"}, True, ["weather", "other"]),
        ({"type": "tool", "name": "other"}, True, ["other"]),
    ],
)
def test_the_choice_of_a_tool(client, service, script, choice, required, names) -> None:
    says(service, script, CALL)
    tools = [WEATHER, WEATHER | {"name": "other"}]
    ask(client, tools=tools, tool_choice=choice)
    grammar = service.calls[-1].constraint.text
    assert all((f'"{name}"' in grammar or name in grammar) for name in names)
    assert ("other" in names) is ("other" in grammar)
    assert service.rendered[-1]["tools"] == [
        {"type": "function", "function": {"name": t["name"], "parameters": t["input_schema"]}}
        for t in tools
    ]


def test_a_schema_of_the_answer(client, service) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    format = {"type": "json_schema", "schema": schema}
    for fields in ({"output_config": {"format": format}}, {"output_format": format}):
        whole(ask(client, **fields))
        assert service.calls[-1].constraint.kind == "json_schema"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{**USER, "content": []}]}, "messages[0].content"),
        ({"messages": [{**USER, "content": [{"type": "image"}]}]}, "messages[0].content[0]"),
        ({"messages": [{**USER, "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{**USER, "content": [RESULT]}]}, "messages[0].content[0].tool_use_id"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use"}]}]}, "content[0].id"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"tools": [WEATHER, WEATHER]}, "`tools`"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "no"}}, "tool_choice"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"thread": {"type": "create"}}, "thread"),
        ({"stop_sequences": [""]}, "stop_sequences"),
    ],
)
def test_a_fault_names_the_field(client, fields, said) -> None:
    error = fault(ask(client, **fields))
    assert error["type"] == "invalid_request_error"
    assert said in error["message"], error


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (RequestError("no", param="prompt"), 400, "invalid_request_error"),
        (Unavailable("busy", retry_after_s=2.0), 503, "overloaded_error"),
        (Unavailable("slow", retry_after_s=2.0, code="rate_limit"), 429, "rate_limit_error"),
        (EngineError("gone"), 500, "api_error"),
    ],
)
def test_errors_have_the_shape_of_the_api(client, service, error, status, kind) -> None:
    service.script = lambda call: [error]
    assert fault(ask(client), status)["type"] == kind
    assert fault(ask(client, stream=True), status)["type"] == kind


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("response_format.json_schema.schema", "output_config.format.schema"),
        ("tools[0].function.parameters", "tools[0].input_schema"),
        ("tools[0].function.name", "tools[0].name"),
        ("prompt", "messages"),
        ("edge.think", "thinking"),
    ],
)
def test_faults_that_show_later_name_the_field_too(client, service, ours, theirs) -> None:
    service.script = lambda call: [RequestError(f"`{ours}`: no.", param=ours)]
    assert fault(ask(client))["message"] == f"`{theirs}`: no."


def test_an_unknown_model(client) -> None:
    assert fault(ask(client, model="claude"), 404)["type"] == "not_found_error"


def test_a_stream_that_cannot_go_on_ends_with_an_error(client, service, script) -> None:
    service.script = lambda call: [script.started(), script.delta("He"), EngineError("was lost")]
    last = events(ask(client, stream=True))[-1]
    assert last["error"]["type"] == "api_error"
    assert last["error"]["message"] == "was lost"


def test_what_is_not_honoured_is_told(client) -> None:
    response = ask(client, output_config={"effort": "low"}, metadata={"user_id": "u"}, what=1)
    [effort, what] = whole(response)["edge"]["warnings"]
    assert "output_config.effort" in effort or "output_config.effort" in what
    assert "`what`" in effort + what


def test_marks_for_other_caches_change_nothing(client) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    text = {"type": "text", "text": "Hi", **mark}
    response = ask(
        client,
        {"role": "user", "content": [text]},
        system=[text],
        tools=[WEATHER | mark],
        **mark,
    )
    assert "warnings" not in whole(response)["edge"]


def test_a_kept_answer_tells_its_stop_sequence(make_client, make_cache, service, script) -> None:
    says(service, script, "Hello", stop="END")
    client = make_client(cache=make_cache())
    asked = {"temperature": 0, "stop_sequences": ["END"]}
    first, second = (whole(ask(client, **asked)) for _ in range(2))
    assert len(service.calls) == 1
    assert second["edge"]["cache"] == "exact"
    assert (first["stop_reason"], second["stop_reason"]) == ("stop_sequence", "stop_sequence")
    assert second["stop_sequence"] == "END"


def test_tokens_are_counted_without_an_answer(client, service) -> None:
    response = ask(client, path="/v1/messages/count_tokens", max_tokens=None, tools=[WEATHER])
    assert response.status == 200, response.body
    assert response.json() == {"input_tokens": ANY}
    assert response.json()["input_tokens"] > 0
    assert service.calls == []
    missing = ask(client, path="/v1/messages/count_tokens", max_tokens=None, model="claude")
    assert fault(missing, 404)["type"] == "not_found_error"
