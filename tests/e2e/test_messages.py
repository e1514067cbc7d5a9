"""Anthropic's Messages API with the anthropic library as it is, and real models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

CALLER = "caller"  # a model that calls the first tool
ADD: Any = {
    "name": "add",
    "description": "Add two numbers.",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}
GREEDY = {"temperature": 0}  # which the library no longer has as an argument
USER: Any = {"role": "user", "content": "Name a colour."}


@pytest.fixture(scope="module")
def served(make_daemon: Any, caller_store: Any) -> Iterator[Any]:
    engine = {"threads": 1, "context": 1024, "sequences": 2, "batch": 128}
    made = make_daemon(caller_store, tcp={"listen": "127.0.0.1:0"}, engine=engine)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sdk(served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.url(), api_key="unused", max_retries=0) as made:
        yield made


def test_a_greedy_answer_is_the_same_as_a_chat_completion(served, sdk) -> None:
    asked: Any = {"model": served.model, "max_tokens": 12, "extra_body": GREEDY}
    whole = sdk.messages.create(**asked, system="Be brief.", messages=[USER])
    with sdk.messages.stream(**asked, system="Be brief.", messages=[USER]) as stream:
        streamed = "".join(stream.text_stream)
    messages: Any = [{"role": "system", "content": "Be brief."}, USER]
    chat = served.sdk().chat.completions.create(
        model=served.model, messages=messages, temperature=0, max_tokens=12
    )
    text = chat.choices[0].message.content
    assert text
    assert whole.content[0].text == streamed == text
    assert whole.usage.output_tokens == chat.usage.completion_tokens


def test_the_count_of_a_prompt_is_what_an_answer_reads(served, sdk) -> None:
    asked: Any = {"model": served.model, "system": "Be brief.", "messages": [USER]}
    counted = sdk.messages.count_tokens(**asked).input_tokens
    usage = sdk.messages.create(**asked, max_tokens=1).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens


def test_a_tool_is_called_and_its_result_answered(sdk) -> None:
    first: Any = {"role": "user", "content": "Add 2 and 3."}
    asked: Any = {"model": CALLER, "max_tokens": 64, "extra_body": GREEDY, "tools": [ADD]}
    made = sdk.messages.create(**asked, messages=[first], tool_choice={"type": "any"})
    assert made.stop_reason == "tool_use"
    [call] = [block for block in made.content if block.type == "tool_use"]
    assert call.name == "add"
    assert all(isinstance(call.input[name], int) for name in ("a", "b"))
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "5"}
    said: Any = [first, {"role": "assistant", "content": made.content}]
    after = sdk.messages.create(**asked, messages=[*said, {"role": "user", "content": [result]}])
    assert after.usage.output_tokens > 0


def test_an_answer_stops_at_a_stop_sequence(served, sdk) -> None:
    asked: Any = {"model": served.model, "max_tokens": 32, "extra_body": GREEDY, "messages": [USER]}
    text = sdk.messages.create(**asked).content[0].text
    stop = text.split()[1]
    ended = sdk.messages.create(**asked, stop_sequences=[stop])
    assert (ended.stop_reason, ended.stop_sequence) == ("stop_sequence", stop)


def test_errors_are_those_of_the_library(sdk) -> None:
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.create(model="claude", max_tokens=1, messages=[USER])
    image: Any = [{"type": "image", "source": {"type": "base64", "data": ""}}]
    seen: Any = {"role": "user", "content": image}
    with pytest.raises(anthropic.BadRequestError) as raised:
        sdk.messages.create(model="default", max_tokens=1, messages=[seen])
    assert "images" in str(raised.value)
