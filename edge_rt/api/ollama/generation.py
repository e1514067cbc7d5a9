"""POST /api/chat and POST /api/generate."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.asked import CheckedRequest, MakeReader
from edge_rt.api.middleware.context import Context, Exchange, Head, exchange_of
from edge_rt.api.middleware.decode import decode, read_body, renamed, unless_gone
from edge_rt.api.middleware.respond import send_json
from edge_rt.api.ollama.answers import OllamaDialect, in_ns, now, resident
from edge_rt.api.ollama.bodies import (
    OllamaChatRequest,
    OllamaFields,
    OllamaGenerateRequest,
    asks_nothing,
    chat_request,
    raw_request,
)
from edge_rt.api.ollama.options import notes
from edge_rt.api.openai.chat import ChatCompletions
from edge_rt.api.openai.completions import Completions
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import ModelNotFound, RequestError, Unavailable

BodyT = TypeVar("BodyT", OllamaChatRequest, OllamaGenerateRequest)
_NAMES = {"response_format": "format", "max_tokens": "options.num_predict"}


class _Given(msgspec.Struct, frozen=True):
    """The options with those that are not known."""

    options: dict[str, Any] | None = None


class OllamaGeneration(Generic[BodyT]):
    """An endpoint of Ollama's API that generates: it translates, and others answer."""

    body: type[BodyT]
    refused: Collection[str] = ()  # fields

    def __init__(self, context: Context) -> None:
        self._context = context
        self._body = BodyReader(self.body, self.refused)
        self._chat, self._raw = ChatCompletions(context), Completions(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised, in Ollama's words."""
        body = await read_body(scope, receive, limit=self._context.requests.body_bytes)
        exchange = exchange_of(scope)
        asked = self._body.read(body, exchange.warnings)
        exchange.warnings += asked.told()
        if asked.options is not None:
            exchange.warnings += notes(decode(_Given, body).options, self._room(asked.model))
        try:
            if asks_nothing(asked):
                await unless_gone(self._load(asked, exchange, send), receive)
            else:
                await self._generate(asked, exchange, receive, send)
                if asked.unloads:  # what answered: the body may say "auto"
                    await self._context.service.unload(exchange.model)
        except RequestError as error:
            raise _renamed(error, asked) from error

    async def _generate(
        self, asked: BodyT, exchange: Exchange, receive: Receive, send: Send
    ) -> None:
        form = partial(self._form, asked)
        if isinstance(asked, OllamaGenerateRequest) and asked.untemplated:
            raw = CheckedRequest(raw_request(asked), form=form)
            await self._raw.serve(raw, exchange, receive, send)
        else:
            chat = CheckedRequest(chat_request(asked), form=form)
            await self._chat.serve(chat, exchange, receive, send)

    def _form(
        self, asked: BodyT, head: Head, reading: Reading | None, reader: MakeReader | None
    ) -> OllamaDialect:
        """Return the dialect of the answer; raises RequestError if the model cannot think so."""
        if asked.think and (reading is None or reading.format.thinking is None):
            message = f'"{asked.model}" does not support thinking: leave `think` out.'
            raise RequestError(message, param="think", code="unsupported_parameter")
        return OllamaDialect(
            head,
            asked.model,
            self._context.clock,
            chat=isinstance(asked, OllamaChatRequest),
            wants_logprobs=bool(asked.logprobs),
            reader=reader,
        )

    async def _load(self, asked: BodyT, exchange: Exchange, send: Send) -> None:
        """Have the model in memory, or out of it: clients ask for that by asking nothing."""
        context = self._context
        if not asked.unloads:
            await context.service.preload(asked.model)
        elif not await context.service.unload(asked.model):
            message = f"{asked.model} is answering and stays in memory: ask again when it is done"
            raise Unavailable(message, retry_after_s=1.0, code="in_use")
        took_ns = in_ns(context.monotonic() - exchange.arrived)
        chat, reason = isinstance(asked, OllamaChatRequest), "unload" if asked.unloads else "load"
        await send_json(send, resident(asked.model, now(context.clock), took_ns, reason, chat=chat))

    def _room(self, model: str) -> int | None:
        """Return the most tokens of prompt and answer; None where several models may answer."""
        try:
            return self._context.service.card(model).context
        except ModelNotFound:
            return None


class OllamaChat(OllamaGeneration[OllamaChatRequest]):
    """Continue a conversation, as Ollama does; streams lines of JSON unless `stream` is false."""

    body = OllamaChatRequest


class OllamaGenerate(OllamaGeneration[OllamaGenerateRequest]):
    """Answer a prompt, as Ollama does; streams as /api/chat."""

    body = OllamaGenerateRequest
    refused = ("template", "context", "width", "height", "steps")


def _renamed(error: RequestError, asked: OllamaFields) -> RequestError:
    """Return the error with the fields at fault under their names in Ollama's API."""
    names = _NAMES | ({} if isinstance(asked, OllamaChatRequest) else {"messages": "prompt"})
    return renamed(error, names)
