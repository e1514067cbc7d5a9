"""The Responses API with the openai library as it is, and real models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field

CALLER = "caller"  # a model that calls the first tool
HOW: dict[str, Any] = {"temperature": 0, "max_output_tokens": 12}
ADD: Any = {
    "type": "function",
    "name": "add",
    "description": "Add two numbers.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}


class Report(BaseModel):
    city: Literal["Paris", "Oslo"]
    days: int = Field(ge=1, le=9)


@pytest.fixture(scope="module")
def served(make_daemon: Any, caller_store: Any) -> Iterator[Any]:
    engine = {"threads": 1, "context": 1024, "sequences": 2, "batch": 128}
    made = make_daemon(caller_store, tcp={"listen": "127.0.0.1:0"}, engine=engine)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sdk(served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url()}/v1", api_key="unused", max_retries=0) as made:
        yield made


def test_a_greedy_answer_is_the_same_by_both_apis(served, sdk) -> None:
    asked: dict[str, Any] = {"model": served.model, "input": "Name a colour.", **HOW}
    whole = sdk.responses.create(**asked, instructions="Be brief.")
    with sdk.responses.stream(**asked, instructions="Be brief.") as stream:
        told = list(stream)
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Name a colour."},
    ]
    chat = sdk.chat.completions.create(
        model=served.model, messages=messages, temperature=0, max_tokens=12
    )
    text = chat.choices[0].message.content
    assert text
    assert whole.output_text == text
    deltas = [one.delta for one in told if one.type == "response.output_text.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == text
    ended = {"stop": "completed", "length": "incomplete"}[chat.choices[0].finish_reason]
    last: Any = told[-1]
    assert last.type == f"response.{ended}"
    assert last.response.output_text == text
    assert whole.status == last.response.status == ended
    for usage in (whole.usage, last.response.usage):
        assert (usage.input_tokens, usage.output_tokens) == (
            chat.usage.prompt_tokens,
            chat.usage.completion_tokens,
        )
    assert "energy_j" in whole.model_extra["edge"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_answered(sdk, streamed) -> None:
    said: list[Any] = [{"role": "user", "content": "What is 2 + 3?"}]
    asked: dict[str, Any] = {"model": CALLER, "tools": [ADD], "temperature": 0}
    if streamed:
        with sdk.responses.stream(**asked, input=said) as stream:
            answer = stream.get_final_response()
    else:
        answer = sdk.responses.create(**asked, input=said)
    [call, *_] = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "add"
    assert {type(value) for value in json.loads(call.arguments).values()} == {int}
    said += [item.model_dump(exclude_none=True) for item in answer.output]
    for item in answer.output:
        if item.type == "function_call":
            said.append({"type": "function_call_output", "call_id": item.call_id, "output": "5"})
    assert sdk.responses.create(model=CALLER, input=said, **HOW).output_text


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_is_parsed(served, sdk, streamed) -> None:
    asked: dict[str, Any] = {"model": served.model, "input": "A trip.", "temperature": 0}
    if streamed:
        with sdk.responses.stream(**asked, text_format=Report) as stream:
            answer = stream.get_final_response()
    else:
        answer = sdk.responses.parse(**asked, text_format=Report)
    assert isinstance(answer.output_parsed, Report)


def test_answers_are_not_kept(served, sdk) -> None:
    answer = sdk.responses.create(model=served.model, input="Hi", store=True, **HOW)
    [warning] = answer.model_extra["edge"]["warnings"]
    assert warning.startswith("store:")
    for ask in (sdk.responses.retrieve, sdk.responses.delete):
        with pytest.raises(openai.NotFoundError, match="not kept"):
            ask(answer.id)
    with pytest.raises(openai.BadRequestError, match="whole conversation") as caught:
        sdk.responses.create(model=served.model, input="Hi", previous_response_id=answer.id)
    assert caught.value.param == "previous_response_id"


def test_what_does_not_fit_is_an_error(served, sdk) -> None:
    with pytest.raises(openai.BadRequestError, match="context") as caught:
        sdk.responses.create(model=served.model, input="word " * 3000)
    assert caught.value.param == "input"
