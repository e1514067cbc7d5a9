"""POST /v1/chat/completions: requests become calls, events become OpenAI's documents."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from edge_rt.core.decoding import Sampling, TokenLogprob

EDGE = {
    "asked": None,
    "why": None,
    "route": None,
    "mode": "single",
    "partner": None,
    "model": "smol",
    "backend": "llama.cpp",
    "energy_j": 1.5,
    "energy_quality": "measured",
    "power_quality": "measured",
    "power_w": 6.25,
    "temp_c": 51.5,
    "queue_s": 0.1,
    "prefill_s": 0.2,
    "decode_s": 0.5,
    "cached_tokens": 4,
    "latency_s": ANY,
    "tokens_per_s": 2.0,
}
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 2,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
}
SAID = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def test_plain_answer_has_openais_shape(client):
    response = client.chat(model="smol")
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document.pop("system_fingerprint").startswith("fp_")
    message = {"role": "assistant", "content": "Hello world", "refusal": None}
    assert document == {
        "id": "chatcmpl-42",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "smol",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
        "edge": EDGE,
    }


def test_stream_without_usage_carries_edge_on_the_finish_chunk(client):
    response = client.chat(stream=True)
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = response.events()
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["id"] for chunk in chunks} == {"chatcmpl-42"}
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hello"},
        {"content": " world"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 3 + ["stop"]
    assert all("usage" not in chunk for chunk in chunks)
    assert [chunk.get("edge") for chunk in chunks] == [None] * 3 + [EDGE]


def test_what_was_ignored_is_told_in_edge_too(client):
    response = client.chat(colour="red")
    [warning] = response.json()["edge"]["warnings"]
    assert "`colour` is unknown" in warning
    assert response.headers["x-edge-warning"] == warning
    *_, last, _ = client.chat(colour="red", stream=True).events()
    assert last["edge"]["warnings"] == [warning]


def test_stream_with_usage_ends_with_a_chunk_without_choices(client):
    response = client.chat(stream=True, stream_options={"include_usage": True})
    *chunks, last, done = response.events()
    assert done == "[DONE]"
    assert (last["choices"], last["usage"], last["edge"]) == ([], USAGE, EDGE)
    assert all(chunk["usage"] is None and "edge" not in chunk for chunk in chunks)


def test_each_event_of_the_service_is_one_message(client):
    messages = client.chat(stream=True).messages
    # start, role with the first text, another text, finish, [DONE]
    assert len(messages) == 5


def test_several_answers_share_the_prompt(client, service):
    document = client.chat(n=3).json()
    assert [choice["index"] for choice in document["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in document["choices"]} == {"Hello world"}
    assert document["usage"]["prompt_tokens"] == 10
    assert document["usage"]["completion_tokens"] == 6
    assert service.calls[0].n == 3


def test_several_streamed_answers_each_open_and_finish(client):
    *chunks, _ = client.chat(n=2, stream=True).events()
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    for index in (0, 1):
        mine = [choice for choice in choices if choice["index"] == index]
        assert mine[0]["delta"]["role"] == "assistant"
        assert "".join(choice["delta"].get("content", "") for choice in mine) == "Hello world"
        assert mine[-1]["finish_reason"] == "stop"
    assert [("edge" in chunk) for chunk in chunks].count(True) == 1
    assert "edge" in chunks[-1]


def test_request_fields_reach_the_call(client, service):
    response = client.chat(
        temperature=0,
        top_p=0.5,
        top_k=-1,
        min_p=0.1,
        repetition_penalty=1.2,
        presence_penalty=1,
        frequency_penalty=-1,
        repeat_last_n=-1,
        logit_bias={"7": -100, "8": 2.5},
        seed=9,
        logprobs=True,
        top_logprobs=3,
        max_tokens=5,
        max_completion_tokens=6,
        stop=["a", "b"],
        ignore_eos=True,
    )
    assert response.status == 200
    (call,) = service.calls
    assert call.sampling == Sampling(
        temperature=0,
        top_k=0,
        top_p=0.5,
        min_p=0.1,
        repeat_penalty=1.2,
        presence_penalty=1,
        frequency_penalty=-1,
        penalty_last_n=-1,
        logit_bias={7: -100, 8: 2.5},
        seed=9,
        top_logprobs=3,
    )
    assert (call.max_tokens, call.stop, call.ignore_eos) == (6, ("a", "b"), True)
    assert (call.prompt, call.special) == ("<rendered>", True)


def test_what_is_left_out_or_null_is_the_models_default(client, service):
    names = ("temperature", "top_k", "stop", "seed", "max_tokens", "n", "model", "tools", "stream")
    client.chat()
    client.chat(**dict.fromkeys(names))
    first, second = service.calls
    assert first == second
    assert first.sampling == service.models[0].sampling
    assert (first.max_tokens, first.plan.model) == (None, "smol")


def test_template_variables_and_tools_reach_the_template(client, service):
    tool = {"type": "function", "function": {"name": "add", "parameters": {"x": 1}}}
    client.chat(tools=[tool], chat_template_kwargs={"enable_thinking": False}, tool_choice="auto")
    client.chat(tools=[tool], tool_choice="none")
    assert service.rendered[0]["tools"] == [tool]
    assert service.rendered[0]["variables"] == {"enable_thinking": False}
    assert service.rendered[1]["tools"] is None


def test_logprobs_in_the_chat_shape(client, service, script):
    tokens = [TokenLogprob(b"\xe2\x82", -0.5, [(b"a", -1.0)]), TokenLogprob(b"\xac", -0.25, [])]
    service.script = lambda call: [
        script.started(),
        script.delta("", logprobs=tokens[:1]),
        script.delta("€", logprobs=tokens[1:]),
        script.finished(),
    ]
    content = client.chat(logprobs=True, top_logprobs=1).json()["choices"][0]["logprobs"]["content"]
    assert content == [
        {
            "token": "\\xe2\\x82",
            "logprob": -0.5,
            "bytes": [0xE2, 0x82],
            "top_logprobs": [{"token": "a", "logprob": -1.0, "bytes": [97]}],
        },
        {"token": "\\xac", "logprob": -0.25, "bytes": [0xAC], "top_logprobs": []},
    ]
    chunks = client.chat(logprobs=True, top_logprobs=1, stream=True).events()[:-1]
    shown = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [token for each in shown if each for token in each["content"]] == content


def test_deltas_that_add_nothing_are_not_sent(client, service, script):
    service.script = lambda call: [
        script.started(),
        script.delta(""),
        script.delta("x"),
        script.finished(),
    ]
    assert len(client.chat(stream=True).events()) == 4  # role, x, finish, [DONE]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stop": 5}, "stop"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"temperature": -0.1}, "temperature"),
        ({"repeat_penalty": 0}, "repeat_penalty"),
        ({"presence_penalty": 2.5}, "presence_penalty"),
        ({"frequency_penalty": -2.5}, "frequency_penalty"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {"1": "a"}}, "logit_bias"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 7}}},
            "response_format.json_schema.schema",
        ),
        ({"response_format": {}}, "response_format.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "web", "function": {"name": "x"}}]}, "tools[0].type"),
        ({"grammar": 7}, "grammar"),
        ({"grammar": "root ::= x", "edge": {"regex": "x"}}, "edge.regex"),
        ({"edge": {"choice": []}}, "edge.choice"),
        ({"edge": {"choice": [""]}}, "edge.choice[0]"),
        ({"edge": {"regex": ""}}, "edge.regex"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
    ],
)
def test_each_wrong_field_is_named(client, service, fields, param):
    response = client.chat(**fields)
    error = response.json()["error"]
    assert response.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert param in error["message"]
    assert error["code"]
    assert service.calls == []


def test_fields_that_ask_for_nothing_pass(client):
    response = client.chat(
        response_format={"type": "text"},
        tool_choice="auto",
        functions=[],
        parallel_tool_calls=False,
        modalities=["text"],
        guided_json=None,
        user="me",
        metadata={"a": "b"},
        never_heard_of=[1, {"x": None}],
    )
    assert response.status == 200


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({}, "assistant"),
        ({"add_generation_prompt": True}, "assistant"),
        ({"add_generation_prompt": False}, "bare"),
        ({"continue_final_message": True}, "inside"),
        ({"continue_final_message": True, "add_generation_prompt": False}, "inside"),
    ],
)
def test_where_the_prompt_ends(client, service, fields, end):
    assert client.chat(messages=SAID, **fields).status == 200
    assert service.rendered[0]["end"] == end


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"continue_final_message": True}, "continue_final_message"),
        (
            {"messages": SAID, "continue_final_message": True, "add_generation_prompt": True},
            "add_generation_prompt",
        ),
    ],
)
def test_a_message_that_cannot_go_on_is_named(client, fields, param):
    assert client.chat(**fields).json()["error"]["param"] == param
