"""The openai SDK's async client over the Unix socket, with the real model."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
import openai
import pytest

MODEL = "smollm2-135m-instruct"


@asynccontextmanager
async def open_sdk(daemon):
    transport = httpx.AsyncHTTPTransport(uds=str(daemon.socket))
    async with openai.AsyncOpenAI(
        api_key="unused",
        base_url="http://localhost/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport, timeout=120),
    ) as sdk:
        yield sdk


def test_plain_and_streamed_chat(daemon):
    async def main():
        ask = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "What is rain?"}],
            "temperature": 0,
            "max_tokens": 16,
        }
        async with open_sdk(daemon) as sdk:
            plain = await sdk.chat.completions.create(**ask)
            stream = await sdk.chat.completions.create(
                stream=True, stream_options={"include_usage": True}, **ask
            )
            chunks = [chunk async for chunk in stream]
        said = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
        assert said == plain.choices[0].message.content
        assert chunks[-1].usage.completion_tokens == plain.usage.completion_tokens

    asyncio.run(main())


def test_plain_and_streamed_completion(daemon):
    async def main():
        ask = {"model": MODEL, "prompt": "Rain falls", "temperature": 0, "max_tokens": 16}
        async with open_sdk(daemon) as sdk:
            plain = await sdk.completions.create(**ask)
            stream = await sdk.completions.create(stream=True, **ask)
            said = "".join([chunk.choices[0].text async for chunk in stream])
        assert said == plain.choices[0].text

    asyncio.run(main())


def test_many_at_once(daemon):
    """More requests than sequences: the rest waits its turn, and all get their own answer."""

    async def main():
        async with open_sdk(daemon) as sdk:

            async def echo(number):
                answer = await sdk.completions.create(
                    model=MODEL, prompt=f"Number {number}:", temperature=0, max_tokens=4, echo=True
                )
                return answer.choices[0].text

            answers = await asyncio.gather(*(echo(i) for i in range(20)))
        assert all(text.startswith(f"Number {i}:") for i, text in enumerate(answers))

    asyncio.run(main())


def test_models(daemon):
    async def main():
        async with open_sdk(daemon) as sdk:
            assert [model.id async for model in sdk.models.list()] == [MODEL]
            with pytest.raises(openai.NotFoundError):
                await sdk.models.retrieve("nobody")

    asyncio.run(main())


def test_errors(daemon):
    async def main():
        async with open_sdk(daemon) as sdk:
            with pytest.raises(openai.BadRequestError) as caught:
                await sdk.completions.create(model=MODEL, prompt="x", temperature=9)
        assert caught.value.param == "temperature"

    asyncio.run(main())
