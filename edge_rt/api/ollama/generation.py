"""POST /api/chat and POST /api/generate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive, Send
from typing_extensions import override

from edge_rt.api.asked import CheckedRequest, MakeReader
from edge_rt.api.middleware.context import Context, Exchange, Head
from edge_rt.api.middleware.decode import decode, unless_gone
from edge_rt.api.middleware.respond import send_json
from edge_rt.api.ollama.answers import OllamaDialect, in_ns, now, resident
from edge_rt.api.ollama.bodies import (
    OllamaChatRequest,
    OllamaGenerateRequest,
    asks_nothing,
    chat_request,
    raw_request,
)
from edge_rt.api.ollama.options import notes
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.completions import Completions
from edge_rt.api.openai.translated import TranslatedChat
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import ModelNotFound, RequestError, Unavailable

BodyT = TypeVar("BodyT", OllamaChatRequest, OllamaGenerateRequest)
_NAMES = {"response_format": "format", "max_tokens": "options.num_predict"}


class _Given(msgspec.Struct, frozen=True):
    """The options with those that are not known."""

    options: dict[str, Any] | None = None


class OllamaGeneration(TranslatedChat[BodyT]):
    """What both endpoints do alike."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._raw = Completions(context)

    @override
    def told(self, asked: BodyT, body: bytes) -> Iterator[str]:
        yield from asked.told()
        if asked.options is not None:
            room = None  # where several models may answer
            with suppress(ModelNotFound):
                room = self.context.service.card(asked.model).context
            yield from notes(decode(_Given, body).options, room)

    @override
    async def answer(self, asked: BodyT, exchange: Exchange, receive: Receive, send: Send) -> None:
        if asks_nothing(asked):
            await unless_gone(self._load(asked, exchange, send), receive)
            return
        if isinstance(asked, OllamaGenerateRequest) and asked.untemplated:
            raw = CheckedRequest(raw_request(asked), form=partial(self.dialect, asked))
            await self._raw.serve(raw, exchange, receive, send)
        else:
            await super().answer(asked, exchange, receive, send)
        if asked.unloads:  # what answered: the body may say "auto"
            await self.context.service.unload(exchange.model)

    @override
    def translated(self, asked: BodyT) -> ChatRequest:
        return chat_request(asked)

    @override
    def dialect(
        self, asked: BodyT, head: Head, reading: Reading | None, reader: MakeReader | None
    ) -> OllamaDialect:
        if asked.think and (reading is None or reading.format.thinking is None):
            message = f'"{asked.model}" does not support thinking: leave `think` out.'
            raise RequestError(message, param="think", code="unsupported_parameter")
        return OllamaDialect(
            head,
            asked.model,
            self.context.clock,
            chat=isinstance(asked, OllamaChatRequest),
            wants_logprobs=bool(asked.logprobs),
            reader=reader,
        )

    async def _load(self, asked: BodyT, exchange: Exchange, send: Send) -> None:
        """Have the model in memory, or out of it: clients ask for that by asking nothing."""
        context = self.context
        if not asked.unloads:
            await context.service.preload(asked.model)
        elif not await context.service.unload(asked.model):
            message = f"{asked.model} is answering and stays in memory: ask again when it is done"
            raise Unavailable(message, retry_after_s=1.0, code="in_use")
        took_ns = in_ns(context.monotonic() - exchange.arrived)
        chat, reason = isinstance(asked, OllamaChatRequest), "unload" if asked.unloads else "load"
        await send_json(send, resident(asked.model, now(context.clock), took_ns, reason, chat=chat))


class OllamaChat(OllamaGeneration[OllamaChatRequest]):
    """Continue a conversation, as Ollama does; streams lines of JSON unless `stream` is false."""

    body, names = OllamaChatRequest, _NAMES


class OllamaGenerate(OllamaGeneration[OllamaGenerateRequest]):
    """Answer a prompt, as Ollama does; streams as /api/chat."""

    body, names = OllamaGenerateRequest, _NAMES | {"messages": "prompt"}
    refused = ("template", "context", "width", "height", "steps")
