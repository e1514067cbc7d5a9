"""The prefixes that `warm` of the configuration names: their checks and their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import msgspec

from edge_rt.api.openai.chat import ChatRequest, read_chat
from edge_rt.api.openai.messages import template_messages
from edge_rt.config.schema import Config, Warm
from edge_rt.config.tree import Key
from edge_rt.core.errors import RequestError
from edge_rt.engine.kv.prefix_shelf import common_prefix
from edge_rt.generation.warming import Prefix
from edge_rt.models.record import writer
from edge_rt.server.service import DaemonService

_PLACE = re.compile(r"\w+")
_NEXT = ("0", "1")  # two messages of the user that have nothing in common


def warm_faults(config: Config) -> Iterator[tuple[Key, str]]:
    """Every key of `warm` that no request could have, with the reason."""
    for index, warm in enumerate(config.warm):
        if warm.prompt is not None:
            continue
        try:
            template_messages(_chats(warm)[0].messages)
        except RequestError as error:
            place = _PLACE.findall(error.param or "")
            at = [int(part) if part.isdigit() else part for part in place]
            yield ("warm", index, *at), str(error)


def prefixes(config: Config, service: DaemonService) -> list[Prefix]:
    """The entries of `warm`, for `service` to write."""
    return [
        Prefix(
            warm.model,
            lambda model=warm.model: writer(service.entry(model)),
            partial(_text, warm, service),
        )
        for warm in config.warm
    ]


async def _text(warm: Warm, service: DaemonService) -> str:
    """The prefix: what prompts have in common that differ in the user's next message."""
    if warm.prompt is not None:
        return warm.prompt
    first, *others = [await _written(warm.model, chat, service) for chat in _chats(warm)]
    return first[: min((common_prefix(first, other) for other in others), default=len(first))]


async def _written(model: str, chat: ChatRequest, service: DaemonService) -> str:
    return await service.render(
        model,
        template_messages(chat.messages),
        tools=None if chat.use is None else chat.use.told,
        variables=chat.chat_template_kwargs,
    )


def _chats(warm: Warm) -> list[ChatRequest]:
    """Requests that begin with the entry; raises RequestError where it is no request."""
    said = {"tools": warm.tools, "chat_template_kwargs": warm.chat_template_kwargs}
    chats = [[*warm.messages, {"role": "user", "content": text}] for text in _NEXT]
    chats = [warm.messages] if _asks(warm) else chats
    return [read_chat(msgspec.json.encode(said | {"messages": chat})) for chat in chats]


def _asks(warm: Warm) -> bool:
    """Whether the user has the last word already."""
    return bool(warm.messages) and warm.messages[-1].get("role") == "user"
