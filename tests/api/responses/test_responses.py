"""POST /v1/responses: requests become calls, events become the documents of that API."""

from __future__ import annotations

import json
from unittest.mock import ANY

import msgspec
import pytest
from openai.types.responses import Response

from edge_rt.core.chat_format import GENERIC, ChatFormat, ThinkFormat
from edge_rt.core.decoding import TokenLogprob
from edge_rt.core.errors import EngineError, RequestError

USER = {"role": "user", "content": "Hi"}
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALLED = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
THINKS = ChatFormat(GENERIC, thinking=ThinkFormat("<think>", "</think>", "enable_thinking"))
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
TEXT = {"type": "output_text", "annotations": [], "logprobs": []}
MESSAGE = {
    "type": "message",
    "id": "msg_42_0",
    "status": "completed",
    "role": "assistant",
    "content": [TEXT | {"text": "Hello world"}],
}


def ask(client, input="Hi", **fields):
    return client.post("/v1/responses", {"model": "smol", "input": input, **fields})


def whole(response) -> dict:
    assert response.status == 200, response.body
    answer = response.json()
    Response.model_validate(answer)
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
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    return told


def fault(response) -> dict:
    assert response.status == 400, response.body
    return response.json()["error"]


def says(service, script, *texts, reason="stop") -> None:
    service.script = lambda call: [
        script.started(),
        *(script.delta(text) for text in texts),
        script.cost(),
        script.finished(reason=reason, tokens=len(texts)),
    ]


def test_a_whole_answer(client) -> None:
    answer = whole(ask(client, metadata={"a": "b"}, temperature=0.5, max_output_tokens=9))
    assert answer == {
        "id": "resp_42",
        "object": "response",
        "created_at": 1_800_000_000,
        "completed_at": 1_800_000_000,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": 9,
        "metadata": {"a": "b"},
        "model": "smol",
        "output": [MESSAGE],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": None,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 2,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 12,
        },
        "edge": ANY,
    }
    assert (answer["edge"]["energy_j"], answer["edge"]["model"]) == (1.5, "smol")
    assert "warnings" not in answer["edge"]


def test_a_streamed_answer(client) -> None:
    told = events(ask(client, stream=True))
    item = {"item_id": "msg_42_0", "output_index": 0, "content_index": 0}
    found = [{k: v for k, v in one.items() if k != "sequence_number"} for one in told]
    part = TEXT | {"text": "Hello world"}
    assert found[2:-1] == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": MESSAGE | {"status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **item, "part": TEXT | {"text": ""}},
        {"type": "response.output_text.delta", **item, "delta": "Hello", "logprobs": []},
        {"type": "response.output_text.delta", **item, "delta": " world", "logprobs": []},
        {"type": "response.output_text.done", **item, "text": "Hello world", "logprobs": []},
        {"type": "response.content_part.done", **item, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
    ]
    created, progress, last = told[0], told[1], told[-1]
    assert (created["type"], progress["type"]) == ("response.created", "response.in_progress")
    assert (created["response"]["status"], created["response"]["output"]) == ("in_progress", [])
    assert last["type"] == "response.completed"
    same = whole(ask(client))
    latency = {"latency_s": ANY}
    assert last["response"] == same | {"edge": same["edge"] | latency}


def test_an_answer_that_is_cut_off(client, service, script) -> None:
    says(service, script, "Hello", reason="length")
    answer = whole(ask(client))
    assert (answer["status"], answer["completed_at"]) == ("incomplete", None)
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["output"][0]["status"] == "incomplete"
    assert events(ask(client, stream=True))[-1]["type"] == "response.incomplete"


def test_an_empty_answer_is_a_message(client, service, script) -> None:
    says(service, script, "")
    [item] = whole(ask(client))["output"]
    assert item["content"] == [TEXT | {"text": ""}]


def test_a_stream_that_fails_tells_why(client, service, script) -> None:
    service.script = lambda call: [script.started(), script.delta("x"), EngineError("died")]
    last = events(ask(client, stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"] == {"code": "engine_error", "message": "died"}


@pytest.mark.parametrize("stream", [True, False])
def test_text_and_calls_are_items(client, service, script, stream) -> None:
    text = f"Yes. {CALL}{CALL}"
    says(service, script, *(text[at : at + 7] for at in range(0, len(text), 7)))
    answer = ask(client, tools=[WEATHER], stream=stream)
    told = events(answer) if stream else []
    output = (told[-1]["response"] if stream else whole(answer))["output"]
    call = {"type": "function_call", "id": "fc_42_1", "status": "completed", "name": "weather"}
    call |= {"arguments": '{"city": "Oslo"}'}
    assert output[0]["content"][0]["text"] == "Yes."
    assert output[1] == call | {"call_id": ANY}
    assert output[2] == call | {"id": "fc_42_2", "call_id": ANY}
    assert output[1]["call_id"] != output[2]["call_id"]
    if stream:
        of_first = [one for one in told if one.get("output_index") == 1]
        assert [one["type"] for one in of_first] == [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
        ]
        assert of_first[0]["item"] == output[1] | {"status": "in_progress", "arguments": ""}
        assert of_first[1]["delta"] == of_first[2]["arguments"] == call["arguments"]
        assert of_first[2]["name"] == "weather"
        assert {one.get("item_id", "fc_42_1") for one in of_first} == {"fc_42_1"}


@pytest.mark.parametrize("stream", [True, False])
def test_thoughts_are_an_item_and_their_tokens_are_counted(client, service, script, stream) -> None:
    service.format = THINKS
    says(service, script, "<think>", "Hm", ", yes.", "</think>", "So", " be it.")
    answer = ask(client, stream=stream, reasoning={"effort": "high"})
    told = events(answer) if stream else []
    done = told[-1]["response"] if stream else whole(answer)
    thought, message = done["output"]
    assert thought == {
        "type": "reasoning",
        "id": "rs_42_0",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm, yes."}],
    }
    assert message["content"][0]["text"] == "So be it."
    assert done["usage"]["output_tokens_details"] == {"reasoning_tokens": 4}
    assert done["reasoning"]["effort"] == "high"
    assert service.rendered[-1]["variables"]["enable_thinking"] is True
    if stream:
        named = [one["type"] for one in told if one.get("output_index") == 0]
        assert named[:2] == ["response.output_item.added", "response.content_part.added"]
        assert set(named[2:-3]) == {"response.reasoning_text.delta"}
        assert named[-3:] == [
            "response.reasoning_text.done",
            "response.content_part.done",
            "response.output_item.done",
        ]


def test_a_conversation_becomes_messages(client, service) -> None:
    thought = {"type": "reasoning", "summary": [], "id": "rs_1"}
    thought |= {"content": [{"type": "reasoning_text", "text": "Rain?"}]}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        thought,
        MESSAGE,
        CALLED,
        CALLED | {"call_id": "c2"},
        RESULT,
        RESULT | {"call_id": "c2", "output": [{"type": "input_text", "text": "sun"}]},
        {"role": "assistant", "content": "Both."},
        {"role": "assistant", "content": "Really."},
        {"type": "message", "role": "developer", "content": "Be brief."},
    ]
    assert whole(ask(client, items, instructions="Be nice.", tools=[WEATHER]))
    calls = [
        {"type": "function", "function": {"name": "weather", "arguments": {}}, "id": id}
        for id in ("c1", "c2")
    ]
    result = {"role": "tool", "name": "weather"}
    assert service.rendered[0]["messages"] == [
        {"role": "system", "content": "Be nice."},
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": "Hello world",
            "tool_calls": calls,
            "reasoning_content": "Rain?",
        },
        result | {"content": "rain", "tool_call_id": "c1"},
        result | {"content": "sun", "tool_call_id": "c2"},
        {"role": "assistant", "content": "Both."},
        {"role": "assistant", "content": "Really."},
        {"role": "system", "content": "Be brief."},
    ]
    function = {name: value for name, value in WEATHER.items() if name != "type"}
    assert service.rendered[0]["tools"] == [{"type": "function", "function": function}]


def test_the_same_call_as_of_a_chat_completion(client, service) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    how = {"temperature": 0.3, "top_p": 0.5, "edge": {"think": "off"}}
    format = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    asked = {"text": {"format": format}, "max_output_tokens": 7, "instructions": "Be brief."}
    answer = whole(ask(client, **how, **asked))
    assert answer["text"] == {"format": format}
    given = {key: value for key, value in format.items() if key != "type"}
    client.post(
        "/v1/chat/completions",
        {
            "model": "smol",
            "messages": [{"role": "system", "content": "Be brief."}, USER],
            "response_format": {"type": "json_schema", "json_schema": given},
            "max_tokens": 7,
            **how,
        },
    )
    ours, theirs = service.calls
    assert ours.constraint is not None
    assert msgspec.structs.replace(ours, id=theirs.id) == theirs
    assert service.rendered[0] == service.rendered[1]


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "weather"},
        {"type": "allowed_tools", "mode": "required", "tools": [WEATHER]},
        "required",
    ],
)
def test_a_tool_may_be_required(client, service, choice) -> None:
    answer = whole(ask(client, tools=[WEATHER], tool_choice=choice))
    assert answer["tool_choice"] == choice
    assert service.calls[-1].constraint.param == "tools"
    assert answer["tools"] == [WEATHER | {"description": None, "strict": False}]


def test_log_probabilities(client, service, script) -> None:
    token = TokenLogprob(b"Hello", -0.5, [(b"Hello", -0.5)])
    service.script = lambda call: [
        script.started(),
        script.delta("Hello", logprobs=[token]),
        script.cost(),
        script.finished(tokens=1),
    ]
    include = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    [item] = whole(ask(client, **include))["output"]
    [told] = item["content"][0]["logprobs"]
    assert (told["token"], told["logprob"], len(told["top_logprobs"])) == ("Hello", -0.5, 1)
    [delta] = [one for one in events(ask(client, stream=True, **include)) if "delta" in one]
    assert delta["logprobs"] == [told]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"store": True}, "store: answers are not kept"),
        ({"text": {"verbosity": "low"}}, "text.verbosity: not honoured"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary: not honoured"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context: not honoured"),
        ({"include": ["reasoning.encrypted_content"]}, "there is no reasoning.encrypted_content"),
        ({"seed": 7}, "`seed` is unknown"),
        (
            {"input": [USER, {"type": "reasoning", "summary": [], "encrypted_content": "x"}]},
            "input[1].encrypted_content: not readable",
        ),
    ],
)
def test_what_is_not_honoured_is_told(client, fields, words) -> None:
    answer = whole(ask(client, **fields))
    [warning] = answer["edge"]["warnings"]
    assert words in warning
    assert answer["store"] is False


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text": {"verbositee": "low"}}, "text.verbositee"),
        ({"text": {"format": {"type": "text", "nme": 1}}}, "text.format.nme"),
        ({"reasoning": {"efort": "low"}}, "reasoning.efort"),
        ({"stream_options": {"foo": True}}, "stream_options.foo"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "tols": []}},
            "tool_choice.tols",
        ),
    ],
)
def test_settings_refuse_an_unknown_field_by_its_path(client, fields, param) -> None:
    error = fault(ask(client, **fields))
    assert (error["param"], error["code"]) == (param, "unknown_parameter")
    assert error["message"] == f"`{param}` is not known here."


def test_what_an_answer_said_may_come_back(client) -> None:
    items = [USER, MESSAGE | {"phase": "final_answer"}, USER]
    assert "warnings" not in whole(ask(client, items))["edge"]


def test_what_is_harmless_is_not_told(client) -> None:
    fields = {"store": False, "truncation": "disabled", "background": False, "include": []}
    fields |= {"stream_options": {"include_obfuscation": False}}
    fields |= {"prompt": None, "service_tier": "auto", "user": "u", "prompt_cache_key": "k"}
    assert "warnings" not in whole(ask(client, **fields))["edge"]


def part(kind: str) -> list[dict]:
    return [{"role": "user", "content": [{"type": kind, "image_url": "data:"}]}]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "whole conversation"),
        ({"conversation": "c"}, "conversation", "send the whole one"),
        ({"background": True}, "background", "stream it"),
        ({"prompt": {"id": "p"}}, "prompt", "`instructions` and `input`"),
        ({"truncation": "auto"}, "truncation", "shorten `input`"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", '"web_search" is not supported'),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type", "file_search"),
        ({"tool_choice": {"type": "allowed_tools", "tools": [1]}}, "tool_choice", "no function"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "`tools[0].name` is required"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "`text.format.type`"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format", "`text.format`"),
        ({"input": part("input_image")}, "input[0].content[0]", "cannot see images"),
        ({"input": part("input_file")}, "input[0].content[0]", "cannot read files"),
        ({"input": part("strange")}, "input[0].content[0].type", '"strange"'),
        ({"input": [{"role": "king", "content": "a"}]}, "input[0].role", '"king"'),
        ({"input": [{"content": "a"}]}, "input[0].role", "`input[0].role` is required"),
        ({"input": [{"type": "item_reference"}]}, "input[0].type", "send the item itself"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type", '"web_search_call"'),
        ({"input": [USER, RESULT]}, "input[1].call_id", 'has the id "c1"'),
        ({"input": [{"type": "function_call"}]}, "input[0].name", "required"),
        ({"input": []}, "input", "length"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input", "nothing"),
        ({"max_output_tokens": 0}, "max_output_tokens", "`max_output_tokens`"),
        ({"reasoning": {"effort": "some"}}, "reasoning.effort", "'some'"),
        ({"text": {"verbosity": "some"}}, "text.verbosity", "'some'"),
        ({"metadata": {"a": 1}}, "metadata", "metadata"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_refused_is_named(client, service, fields, param, words, stream) -> None:
    error = fault(ask(client, **fields, stream=stream))
    assert error["param"] == param
    assert words in error["message"]
    assert not service.calls


def test_faults_of_the_prompt_name_the_input(client, service) -> None:
    service.render_error = RequestError("`messages`: no.", param="messages", code="invalid_value")
    error = fault(ask(client))
    assert (error["param"], error["message"]) == ("input", "`input`: no.")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["resp_1", "resp_1/input_items"])
def test_answers_are_not_kept(client, method, path) -> None:
    response = client.request(method, f"/v1/responses/{path}")
    assert response.status == 404
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "resp_1" in error["message"]
    assert "not kept" in error["message"]


def test_an_answer_of_a_chat_completion_is_told_again(make_client, service, make_cache) -> None:
    client = make_client(cache=make_cache())
    said = {"model": "smol", "messages": [USER], "temperature": 0}
    assert client.post("/v1/chat/completions", said).status == 200
    answer = whole(ask(client, temperature=0))
    assert answer["edge"]["cache"] == "exact"
    assert answer["output"] == [MESSAGE]
    assert len(service.calls) == 1
    assert events(ask(client, temperature=0, stream=True))[-1]["response"]["output"] == [MESSAGE]


def test_settings_that_are_null_are_left_out(client):
    whole(ask(client, reasoning={"effort": None, "max_tokens": None, "exclude": None}))
