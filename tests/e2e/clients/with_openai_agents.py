"""openai-agents against a server: `with_openai_agents.py URL MODEL CALLER` prints JSON.

CALLER is a model that calls the first tool by itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated, Any, Literal

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from pydantic import BaseModel, Field

ASK = "What is the weather in Oslo for 3 days?"
QUIET = RunConfig(tracing_disabled=True)
Days = Annotated[int, Field(ge=1, le=9)]


class Report(BaseModel):
    city: Literal["Paris", "Oslo"]
    sky: Literal["rain", "sun"]
    days: Days


@function_tool
def get_weather(city: Literal["Paris", "Oslo"], days: Days) -> str:
    """The weather of the next days."""
    return f"rain in {city} for {days} days"


@function_tool
def get_time() -> str:
    """The time of day."""
    return "noon"


def agent(model: Any, **fields: Any) -> Agent[None]:
    fields = {"model_settings": ModelSettings(temperature=0, max_tokens=60)} | fields
    return Agent(name="a", instructions="You are helpful.", model=model, **fields)


def caller(model: Any) -> Agent[None]:
    """One that must call a tool, and is done when it has."""
    how = ModelSettings(temperature=0, max_tokens=200, tool_choice="get_weather")
    return agent(
        model,
        tools=[get_weather, get_time],
        model_settings=how,
        tool_use_behavior="stop_on_first_tool",
    )


def calls(run: Any) -> list[Any]:
    items = [item.raw_item for item in run.new_items if item.type == "tool_call_item"]
    return [[item.name, json.loads(item.arguments)] for item in items]


def told(run: Any) -> dict[str, Any]:
    return {"output": run.final_output, "calls": calls(run)}


async def streamed(one: Agent[None]) -> dict[str, Any]:
    run = Runner.run_streamed(one, ASK, run_config=QUIET)
    async for _ in run.stream_events():
        pass
    return told(run)


async def followed(model: Any) -> dict[str, Any]:
    """A call, its result, and an answer by a schema without tools."""
    first = await Runner.run(caller(model), ASK, run_config=QUIET)
    history = [*first.to_input_list(), {"role": "user", "content": "Report it."}]
    run = await Runner.run(agent(model, output_type=Report), history, run_config=QUIET)
    return {"output": run.final_output.model_dump(), "calls": calls(first)}


async def called(model: Any) -> dict[str, Any]:
    """Return what agents do that must call a tool."""
    return {
        "tools": told(await Runner.run(caller(model), ASK, run_config=QUIET)),
        "tools_streamed": await streamed(caller(model)),
        "followed": await followed(model),
    }


async def main(url: str, name: str, caller_name: str) -> None:
    sdk = AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    of_calls = OpenAIChatCompletionsModel(model=caller_name, openai_client=sdk)
    free = agent(of_calls, tools=[get_time])
    found = {
        "chat": await called(OpenAIChatCompletionsModel(model=name, openai_client=sdk)),
        "responses": await called(OpenAIResponsesModel(model=name, openai_client=sdk)),
        "free": told(await Runner.run(free, ASK, run_config=QUIET)),
        "free_streamed": await streamed(free),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
