"""How a model writes tool calls and thoughts, for `edge-rt models show`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from edge_rt.core.chat_format import GENERIC, ChatFormat
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.models.record import ModelRecord
from edge_rt.models.templates.process import Templating
from edge_rt.models.templates.task import Template, vocabulary

_SOURCES = {
    "template": "by its chat template",
    "family": "as is known of its family",
    "generic": "as a system message explains",
}


def chat_rows(chat: ChatFormat | None) -> Iterator[tuple[str, str]]:
    """How the model writes calls, where that is known from, and the markers of its thoughts."""
    if chat is None:
        return
    yield "tool calls", f"{chat.calls}, {_SOURCES[chat.calls.source]}"
    if chat.thinking is not None:
        yield "thoughts", f"{chat.thinking.begin}…{chat.thinking.end}"


def chat_format(entry: ModelRecord) -> ChatFormat | None:
    """Read the format off a model's chat template; None for a model without one."""
    if entry.summary.chat_template is None:
        return None
    return asyncio.run(_found(entry))


async def _found(entry: ModelRecord) -> ChatFormat:
    told = entry.summary
    control = tuple(vocabulary(entry).control)
    template = Template(told.chat_template, told.bos_token, told.eos_token, control, "")
    templating = Templating()
    try:
        return await templating.analyse(template)
    except (RequestError, ModelFileError):
        return ChatFormat(GENERIC)
    finally:
        await templating.close()
