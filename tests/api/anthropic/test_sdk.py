"""The anthropic SDK works over the app as it is."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import httpx2
import pytest

from edge_rt.core.errors import RequestError, Unavailable

ASK: Any = {"model": "smol", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
WEATHER: Any = {"name": "weather", "input_schema": {"type": "object"}}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


@pytest.fixture
def sdk(client) -> anthropic.AsyncAnthropic:
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(client.app))
    return anthropic.AsyncAnthropic(
        api_key="unused", base_url="http://edge", max_retries=0, http_client=http
    )


def calls(service, script) -> None:
    deltas = [script.delta(CALL[:20]), script.delta(CALL[20:])]
    service.script = lambda call: [script.started(), *deltas, script.cost(), script.finished()]


def test_a_message(sdk) -> None:
    message = asyncio.run(sdk.messages.create(**ASK))
    assert message.content[0].text == "Hello world"
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 2)
    assert message.edge["energy_j"] == 1.5


def test_a_stream(sdk) -> None:
    async def run() -> None:
        async with sdk.messages.stream(**ASK) as stream:
            texts = [text async for text in stream.text_stream]
            message = await stream.get_final_message()
        assert texts == ["Hello", " world"]
        assert message.content[0].text == "Hello world"
        assert (message.usage.input_tokens, message.usage.output_tokens) == (6, 2)

    asyncio.run(run())


def test_a_call_in_a_stream(sdk, service, script) -> None:
    calls(service, script)

    async def run() -> None:
        async with sdk.messages.stream(**ASK, tools=[WEATHER]) as stream:
            message = await stream.get_final_message()
        assert message.stop_reason == "tool_use"
        assert (message.content[0].name, message.content[0].input) == ("weather", {"city": "Oslo"})

    asyncio.run(run())


def test_a_runner_of_tools_ends_with_the_answer_to_the_result(sdk, service, script) -> None:
    calls(service, script)

    @anthropic.beta_async_tool
    async def weather(city: str) -> str:
        """Tell the weather of a city."""
        service.script = lambda call: [
            script.started(),
            script.delta(f"{city}: rain"),
            script.cost(),
            script.finished(),
        ]
        return "rain"

    async def run() -> None:
        runner = sdk.beta.messages.tool_runner(**ASK, tools=[weather])
        message = await runner.until_done()
        assert message.content[0].text == "Oslo: rain"

    asyncio.run(run())
    assert service.rendered[-1]["messages"][-1]["content"] == "rain"


def test_tokens_are_counted(sdk) -> None:
    asked = {key: ASK[key] for key in ("model", "messages")}
    assert asyncio.run(sdk.messages.count_tokens(**asked)).input_tokens > 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RequestError("no", param="messages"), anthropic.BadRequestError),
        (Unavailable("slow", retry_after_s=2.0, code="rate_limit"), anthropic.RateLimitError),
        (Unavailable("busy", retry_after_s=2.0), anthropic.APIStatusError),
    ],
)
def test_errors(sdk, service, error, kind) -> None:
    service.script = lambda call: [error]
    with pytest.raises(kind) as raised:
        asyncio.run(sdk.messages.create(**ASK))
    assert raised.value.body["error"]["message"] == str(error)
