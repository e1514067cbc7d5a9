"""pydantic-ai against a server: `with_pydantic_ai.py URL MODEL` prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from pydantic_ai import Agent, ModelSettings, NativeOutput, RunContext, ToolOutput
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

ASK = "What is the weather in Oslo for 3 days?"
Days = Annotated[int, Field(ge=1, le=9)]


class Report(BaseModel):
    city: Literal["Paris", "Oslo"]
    sky: Literal["rain", "sun"]
    days: Days


def settings(context: RunContext[Any]) -> ModelSettings:
    """Have it call the tool first, and then the one that is the answer."""
    first = context.run_step <= 1
    choice = ["get_weather"] if first else ["report"]
    return ModelSettings(temperature=0, max_tokens=200, tool_choice=choice)


def agent(model: OpenAIChatModel, output: Any) -> Agent[None, Any]:
    return Agent(model, output_type=output, retries=0)


def tools(model: OpenAIChatModel, stream: bool) -> dict[str, Any]:
    """A call, its result, and an answer that is a call, too."""
    one = agent(model, ToolOutput(Report, name="report"))

    @one.tool_plain
    def get_weather(city: Literal["Paris", "Oslo"], days: Days) -> str:
        """The weather of the next days."""
        return f"rain in {city} for {days} days"

    async def streamed() -> tuple[Any, list[Any]]:
        async with one.run_stream(ASK, model_settings=settings) as run:
            return await run.get_output(), run.all_messages()

    if stream:
        output, messages = asyncio.run(streamed())
    else:
        run = one.run_sync(ASK, model_settings=settings)
        output, messages = run.output, run.all_messages()
    return {"output": output.model_dump(), "calls": calls(messages)}


def calls(messages: list[Any]) -> list[Any]:
    parts = [p for m in messages if isinstance(m, ModelResponse) for p in m.parts]
    return [[p.tool_name, p.args_as_dict()] for p in parts if isinstance(p, ToolCallPart)]


def native(model: OpenAIChatModel) -> dict[str, Any]:
    """An answer by a schema of `response_format`."""
    one = agent(model, NativeOutput(Report, strict=True))
    run = one.run_sync(ASK, model_settings=ModelSettings(temperature=0, max_tokens=200))
    return {"output": run.output.model_dump()}


def text(model: OpenAIChatModel) -> dict[str, Any]:
    run = agent(model, str).run_sync(ASK, model_settings=ModelSettings(max_tokens=8))
    return {"output": run.output, "tokens": run.usage.output_tokens}


def main(url: str, name: str, *_: str) -> None:
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="unused")
    model = OpenAIChatModel(name, provider=provider)
    found = {
        "tools": tools(model, stream=False),
        "tools_streamed": tools(model, stream=True),
        "native": native(model),
        "text": text(model),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
