"""langchain-openai against a server: `with_langchain.py URL MODEL` prints JSON."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

ASK = "What is the weather in Oslo for 3 days?"
Days = Annotated[int, Field(ge=1, le=9)]


class Report(BaseModel):
    """The weather of a city."""

    city: Literal["Paris", "Oslo"]
    sky: Literal["rain", "sun"]
    days: Days


@tool
def get_weather(city: Literal["Paris", "Oslo"], days: Days) -> str:
    """The weather of the next days."""
    return f"rain in {city} for {days} days"


def calls(message: Any) -> list[Any]:
    return [[call["name"], call["args"]] for call in message.tool_calls]


def structured(chat: ChatOpenAI) -> dict[str, Any]:
    """A schema by each method that has one, whole, streamed and strict."""
    found: dict[str, Any] = {}
    for method in ("json_schema", "function_calling"):
        chain = chat.with_structured_output(Report, method=method)
        found[method] = chain.invoke(ASK).model_dump()
        *_, last = chain.stream(ASK)
        found[f"{method}_streamed"] = last.model_dump()
        strict = chat.with_structured_output(Report, method=method, strict=True)
        found[f"{method}_strict"] = strict.invoke(ASK).model_dump()
    return found


def tools(chat: ChatOpenAI) -> dict[str, Any]:
    """A call, whole and streamed, and the answer to its result."""
    bound = chat.bind_tools([get_weather], tool_choice="any")
    answer = bound.invoke(ASK)
    whole: Any = AIMessageChunk("")
    for chunk in bound.stream(ASK):
        whole = whole + chunk
    call = answer.tool_calls[0]
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    said = chat.bind(max_tokens=8).invoke([HumanMessage(ASK), answer, result])
    return {"calls": calls(answer), "streamed": calls(whole), "answer": said.content}


def main(url: str, name: str, *_: str) -> None:
    chat = ChatOpenAI(
        model=name,
        base_url=f"{url}/v1",
        api_key="unused",
        temperature=0,
        max_tokens=200,
        max_retries=0,
    )
    print(json.dumps({"structured": structured(chat), "tools": tools(chat)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
