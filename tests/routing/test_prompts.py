"""What is known of how a model writes, and what prompts become by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from family_templates import HERMES, NO_TOOLS
from house import ENTRY, FakeTemplating

from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.messages import template_messages
from edge_rt.core.chat_format import GENERIC, ChatFormat, ChatPrompt
from edge_rt.core.errors import RequestError
from edge_rt.models.record import ModelRecord
from edge_rt.models.templates.process import Templating
from edge_rt.routing.prompts import Prompting

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look"}}
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
# What clients send after a tool's result, and the prompt that the /apply-template of llama.cpp's
# server (xllamacpp 2026.10.11549) makes of it with the template of Qwen2.5-Coder-0.5B-Instruct's
# official GGUF file (Apache-2.0).
PEER = Path(__file__).parent / "peer"


def entry(template: str | None, sha256: str = "1" * 64) -> ModelRecord:
    told = {"control_tokens": ("<|im_end|>",), "longest_token": 16}
    summary = msgspec.structs.replace(ENTRY.summary, chat_template=template, **told)
    return replace(ENTRY, sha256=sha256, summary=summary)


def prompting(templating: Any = None) -> Prompting:
    return Prompting(cast(Templating, templating or Templating()))


def test_templates_with_and_without_tools_are_told_of_them() -> None:
    async def run() -> None:
        prompts = prompting()
        try:
            asked = ChatPrompt(HELLO, [TOOL])
            theirs = await prompts.write(entry(HERMES), 4096, asked)
            ours = await prompts.write(entry(NO_TOOLS, "2" * 64), 4096, asked)
            assert "You may call functions" not in theirs
            assert "You may call functions" in ours
            assert '"name": "look"' in theirs
            assert '"name": "look"' in ours
            assert (await prompts.format(entry(HERMES))).calls.source == "template"
        finally:
            await prompts.close()

    asyncio.run(run())


@pytest.mark.parametrize("name", ["one-call", "two-calls"])
def test_after_a_tools_result_the_model_reads_what_llama_cpp_would_show_it(name: str) -> None:
    request = msgspec.json.decode((PEER / f"{name}.json").read_bytes(), type=ChatRequest)
    assert request.use is not None
    messages, tools = template_messages(request.messages), request.use.told

    async def run() -> str:
        prompts = prompting()
        try:
            model = entry((PEER / "qwen2.5-coder.jinja").read_text())
            return await prompts.write(model, 4096, ChatPrompt(messages, tools))
        finally:
            await prompts.close()

    assert asyncio.run(run()) == (PEER / f"{name}.txt").read_text()


class _Refusing:
    def __init__(self) -> None:
        self.asked = 0

    async def analyse(self, template: object) -> ChatFormat:
        self.asked += 1
        raise RequestError("takes too much memory or time")


def test_a_template_that_fails_is_asked_once_and_has_the_generic_format() -> None:
    async def run() -> None:
        templating = _Refusing()
        prompts = prompting(templating)
        for _ in range(2):
            assert await prompts.format(entry("{{ 1 / 0 }}")) == ChatFormat(GENERIC)
        assert templating.asked == 1

    asyncio.run(run())


def test_what_is_too_deep_for_a_template_is_the_requests_fault() -> None:
    class Deep(FakeTemplating):
        async def fill(self, task: Any, client: str | None = None) -> str:
            raise RecursionError

    async def run() -> None:
        with pytest.raises(RequestError, match="nested too deeply"):
            await prompting(Deep()).write(entry(HERMES), 4096, ChatPrompt(HELLO))

    asyncio.run(run())
