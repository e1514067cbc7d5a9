"""The texts of `warm`, which the daemon reads beside requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import msgspec

from edge_rt.api.middleware.decode import decode
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.messages import template_messages
from edge_rt.api.service import Service
from edge_rt.config.caching import Warm
from edge_rt.config.schema import Config
from edge_rt.config.tree import Key
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import RequestError
from edge_rt.engine.kv.prefix_files import common_prefix
from edge_rt.generation.warming import Prefix
from edge_rt.models.directory import ModelDirectory

_PLACE = re.compile(r"\w+")
_NEXT = ("0", "1")  # two messages of the user that have nothing in common


def warm_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Yield every key of `warm` that no request could have, with the reason."""
    for index, warm in enumerate(config.warm):
        if warm.prompt is not None:
            continue
        try:
            template_messages(_chats(warm)[0].messages)
        except RequestError as error:
            place = _PLACE.findall(error.param or "")
            at = [int(part) if part.isdigit() else part for part in place]
            yield ("warm", index, *at), str(error)


def prefixes(config: Config, models: ModelDirectory, service: Service) -> list[Prefix]:
    """Return the entries of `warm`, for `service` to write."""
    return [
        Prefix(
            warm.model,
            partial(models.writer, warm.model),
            partial(_text, warm, service),
        )
        for warm in config.warm
    ]


async def _text(warm: Warm, service: Service) -> str:
    """Return the prefix: what prompts have in common that differ in the user's next message."""
    if warm.prompt is not None:
        return warm.prompt
    first, *others = [await _written(warm.model, chat, service) for chat in _chats(warm)]
    return first[: min((common_prefix(first, other) for other in others), default=len(first))]


async def _written(model: str, chat: ChatRequest, service: Service) -> str:
    tools = None if chat.use is None else chat.use.told
    prompt = ChatPrompt(template_messages(chat.messages), tools, chat.chat_template_kwargs)
    return await service.render(model, prompt)


def _chats(warm: Warm) -> list[ChatRequest]:
    """Return requests that begin with the entry; raises RequestError where it is no request."""
    said = {"tools": warm.tools, "chat_template_kwargs": warm.chat_template_kwargs}
    chats = [[*warm.messages, {"role": "user", "content": text}] for text in _NEXT]
    chats = [warm.messages] if _asks(warm) else chats
    bodies = [msgspec.json.encode(said | {"messages": chat}) for chat in chats]
    found = [decode(ChatRequest, body) for body in bodies]
    for one in found:
        one.check()
    return found


def _asks(warm: Warm) -> bool:
    """Return whether the user has the last word already."""
    return bool(warm.messages) and warm.messages[-1].get("role") == "user"
