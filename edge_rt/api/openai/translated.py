"""Endpoints of other APIs whose requests are translated, and answered as chat completions are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send

from edge_rt.api.asked import CheckedRequest, MakeReader
from edge_rt.api.middleware.context import Context, Exchange, Head, exchange_of
from edge_rt.api.middleware.decode import read_body, renamed
from edge_rt.api.openai.answers import Dialect
from edge_rt.api.openai.chat import ChatCompletions, ChatRequest
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import RequestError

BodyT = TypeVar("BodyT", bound=msgspec.Struct)


class TranslatedChat(ABC, Generic[BodyT]):
    """An endpoint whose bodies are other APIs' words for a chat completion."""

    body: type[BodyT]
    refused: Collection[str] = ()  # fields
    ids = "chatcmpl-"  # what those of its answers begin with
    names: Mapping[str, str]  # of fields of a chat completion in that API

    def __init__(self, context: Context) -> None:
        self.context = context
        self.chat = ChatCompletions(context)
        self.chat.ids = self.ids
        self._reader = BodyReader(self.body, self.refused)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised, in that API's words."""
        body = await read_body(scope, receive, limit=self.context.requests.body_bytes)
        exchange = exchange_of(scope)
        asked = self._reader.read(body, exchange.warnings)
        exchange.warnings += self.told(asked, body)
        try:
            await self.answer(asked, exchange, receive, send)
        except RequestError as error:
            param = error.param or ""
            raise renamed(error, {**self.names, param: self.theirs(param)}) from error

    async def answer(self, asked: BodyT, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Answer the body as the chat completion that it stands for."""
        request = CheckedRequest(self.translated(asked), form=partial(self.dialect, asked))
        await self.chat.serve(request, exchange, receive, send)

    def told(self, asked: BodyT, body: bytes) -> Iterable[str]:
        """Return what of the body is not honoured; raises RequestError for what must be."""
        return ()

    @abstractmethod
    def translated(self, asked: BodyT) -> ChatRequest:
        """Return the chat completion that a body stands for; raises RequestError."""

    @abstractmethod
    def dialect(
        self, asked: BodyT, head: Head, reading: Reading | None, reader: MakeReader | None
    ) -> Dialect:
        """Return the dialect of the answer; raises RequestError."""

    def theirs(self, param: str) -> str:
        """Return the place of a field of a chat completion in that API."""
        return self.names.get(param, param)
