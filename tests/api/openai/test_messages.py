"""Messages of clients become what chat templates read."""

from __future__ import annotations

import msgspec
import pytest

from edge_rt.api.openai.messages import ChatMessage, template_messages
from edge_rt.core.errors import RequestError


def converted(*messages: dict) -> list[dict]:
    return template_messages(msgspec.convert(list(messages), list[ChatMessage]))


def test_roles():
    roles = ("system", "developer", "user", "assistant", "tool")
    result = converted(*({"role": role, "content": "x"} for role in roles))
    assert [m["role"] for m in result] == ["system", "system", "user", "assistant", "tool"]
    assert all(set(m) == {"role", "content"} for m in result)


def test_text_parts_are_joined_by_newlines():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert converted({"role": "user", "content": parts})[0]["content"] == "a\nb"
    assert converted({"role": "user", "content": []})[0]["content"] == ""


def test_a_tool_conversation():
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    asked, told = converted(
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2", "name": "add"},
    )
    assert asked == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
        ],
    }
    assert told == {"role": "tool", "content": "2", "name": "add", "tool_call_id": "c1"}


def test_a_function_conversation_of_old():
    call = {"name": "add", "arguments": '{"a": 1}'}
    asked, told = converted(
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "add", "content": "2"},
    )
    function = {"name": "add", "arguments": {"a": 1}}
    assert asked["tool_calls"] == [{"type": "function", "function": function}]
    assert told == {"role": "tool", "content": "2", "name": "add"}
    (told,) = converted({"role": "function", "name": "add", "content": None})
    assert told["content"] == ""


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": "", "refusal": "I cannot."}, "I cannot."),
        ({"content": "Well.", "refusal": "I cannot."}, "Well.\nI cannot."),
        ({"content": [{"type": "refusal", "refusal": "I cannot."}]}, "I cannot."),
        ({"content": "Yes.", "refusal": None}, "Yes."),
        ({"content": None, "reasoning_content": "Hm"}, ""),
    ],
)
def test_what_the_assistant_refused_with_is_what_it_said(message, content):
    assert converted({"role": "assistant"} | message)[0]["content"] == content


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", "[" * 5000])
def test_arguments_that_are_no_object_stay_as_written(arguments):
    call = {"function": {"name": "add", "arguments": arguments}}
    (message,) = converted({"role": "assistant", "tool_calls": [call]})
    assert message["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize(
    ("message", "param", "words"),
    [
        ({"role": "Robot", "content": "x"}, "messages[0].role", "expected one of"),
        ({"role": "user"}, "messages[0].content", "required"),
        ({"role": "user", "content": None}, "messages[0].content", "required"),
        ({"role": "assistant", "content": None}, "messages[0].content", "required"),
        ({"role": "function", "content": "2"}, "messages[0].name", "required"),
        ({"role": "tool", "tool_call_id": "1"}, "messages[0].content", "required"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "messages[0].content[0]",
            "cannot see images",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text"}]},
            "messages[0].content[1].text",
            "required",
        ),
        (
            {"role": "user", "content": [{"type": "smell"}]},
            "messages[0].content[0].type",
            'got "smell"',
        ),
    ],
)
def test_what_is_refused(message, param, words):
    with pytest.raises(RequestError, match=words) as caught:
        converted(message)
    assert caught.value.param == param
