"""The prompts of chats, by the templates of models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from edge_rt.daemon.templating import Templating
from edge_rt.engine.cut import CUT
from edge_rt.models.entry import Entry
from edge_rt.models.gguf import read_control_tokens
from edge_rt.models.template_task import Task, Template
from edge_rt.models.tokenizer_file import special_tokens


def control_tokens(entry: Entry) -> list[str]:
    """The texts of a model's control tokens; takes a while. Raises ModelFileError."""
    if entry.backend == "llama.cpp":
        return read_control_tokens(entry.path)
    return special_tokens(entry.path.with_name("tokenizer.json"))


class Prompting:
    """Writes conversations as models read them, in which only templates have control tokens."""

    def __init__(
        self,
        templating: Templating,
        control: Callable[[Entry], Sequence[str]] = control_tokens,
    ) -> None:
        """`control` gives a model's control tokens, and may take a while."""
        self._templating, self._control = templating, control
        self._templates: dict[str, Template] = {}  # by the sha256 of the model's file

    async def write(
        self,
        entry: Entry,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None,
        variables: dict[str, Any] | None,
    ) -> str:
        """The prompt, ending where the assistant speaks; raises as Templating.fill."""
        template = await self._template(entry)
        return await self._templating.fill(Task(template, messages, tools, variables))

    async def close(self) -> None:
        """End what is at work for it."""
        await self._templating.close()

    async def _template(self, entry: Entry) -> Template:
        known = self._templates.get(entry.sha256)
        if known is None:
            tokens = await asyncio.to_thread(self._control, entry)
            told = entry.summary
            known = Template(told.chat_template, told.bos_token, told.eos_token, tuple(tokens), CUT)
            self._templates[entry.sha256] = known
        return known
