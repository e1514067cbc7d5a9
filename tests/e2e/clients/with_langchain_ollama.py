"""langchain-ollama against a server: `with_langchain_ollama.py URL MODEL CALLER VECTORS`."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
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


def structured(chat: ChatOllama) -> dict[str, Any]:
    """A schema, whole and streamed."""
    chain = chat.with_structured_output(Report)
    *_, last = chain.stream(ASK)
    return {"whole": chain.invoke(ASK).model_dump(), "streamed": last.model_dump()}


def tools(chat: ChatOllama) -> dict[str, Any]:
    """The calls that the model makes, whole and streamed, and an answer to their results."""
    bound = chat.bind_tools([get_weather])
    answer = bound.invoke(ASK)
    whole: Any = AIMessageChunk("")
    for chunk in bound.stream(ASK):
        whole = whole + chunk
    results = [
        ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
        for call in answer.tool_calls
    ]
    said = chat.invoke([HumanMessage(ASK), answer, *results])
    calls = [[[c["name"], c["args"]] for c in one.tool_calls] for one in (answer, whole)]
    return {"calls": calls[0], "streamed": calls[1], "answer": said.content}


def main(url: str, name: str, caller: str, vectors: str) -> None:
    # All that it can send, but for what asks for another way of sampling.
    usual: dict[str, Any] = {
        "base_url": url,
        "validate_model_on_init": True,
        "temperature": 0,
        "num_predict": 60,
        "num_ctx": 8192,
        "num_gpu": 1,
        "num_thread": 2,
        "repeat_last_n": 64,
        "repeat_penalty": 1.1,
        "seed": 1,
        "stop": ["<|im_end|>"],
        "top_k": 40,
        "top_p": 0.9,
        "keep_alive": "5m",
    }
    chat = ChatOllama(model=name, **usual)
    said = chat.invoke("Name a colour.")
    told = {
        "structured": structured(chat),
        "tools": tools(ChatOllama(model=caller, **usual | {"repeat_penalty": 1.0})),
        "said": said.content,
        "streamed": "".join(chunk.content for chunk in chat.stream("Name a colour.")),
        "usage": said.usage_metadata,
        "text": OllamaLLM(model=name, **usual).invoke("Name a colour."),
        "vectors": OllamaEmbeddings(model=vectors, base_url=url).embed_documents(["a", "b"]),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
