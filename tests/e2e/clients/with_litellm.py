"""LiteLLM against a server: `with_litellm.py URL MODEL CALLER` prints JSON.

CALLER is a model that calls the first tool by itself.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

import litellm
from pydantic import BaseModel, Field

ASK = "What is the weather in Oslo for 3 days?"
Days = Annotated[int, Field(ge=1, le=9)]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of the next days.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"enum": ["Paris", "Oslo"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 9},
            },
            "required": ["city", "days"],
        },
    },
}


class Report(BaseModel):
    city: Literal["Paris", "Oslo"]
    sky: Literal["rain", "sun"]
    days: Days


def ask(model: str, where: dict[str, str], messages: list[Any], **fields: Any) -> Any:
    """The message of an answer; of a streamed one, LiteLLM's own sum of its chunks."""
    fields = {"temperature": 0, "max_tokens": 60, "num_retries": 0} | where | fields
    answer: Any = litellm.completion(model, messages, **fields)
    if fields.get("stream"):
        answer = litellm.stream_chunk_builder(list(answer), messages=messages)
    return answer.choices[0].message


def calls(message: Any) -> list[Any]:
    made = message.tool_calls or []
    return [[one.function.name, json.loads(one.function.arguments)] for one in made]


def tried(name: str, caller: str, where: dict[str, str]) -> dict[str, Any]:
    """Text, structured output and calls, whole and streamed."""
    user: list[Any] = [{"role": "user", "content": ASK}]
    called = ask(caller, where, user, tools=[TOOL])
    results = [
        {"role": "tool", "tool_call_id": one.id, "name": one.function.name, "content": "rain"}
        for one in called.tool_calls
    ]
    history = [*user, called.model_dump(), *results]
    return {
        "text": ask(name, where, user, max_tokens=12).content,
        "streamed": ask(name, where, user, max_tokens=12, stream=True).content,
        "report": json.loads(ask(name, where, user, response_format=Report).content),
        "calls": calls(called),
        "calls_streamed": calls(ask(caller, where, user, tools=[TOOL], stream=True)),
        "answer": ask(name, where, history, max_tokens=12).content,
    }


def main(url: str, name: str, caller: str) -> None:
    chat = {"api_base": f"{url}/v1", "api_key": "unused"}
    told = {
        "openai": tried(f"openai/{name}", f"openai/{caller}", chat),
        "hosted_vllm": tried(f"hosted_vllm/{name}", f"hosted_vllm/{caller}", chat),
        "ollama_chat": tried(f"ollama_chat/{name}", f"ollama_chat/{caller}", {"api_base": url}),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
