"""Endpoints of other APIs whose requests are translated, and answered as chat completions are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.asked import CheckedRequest, MakeReader
from edge_rt.api.middleware.context import Context, Exchange, Head, exchange_of
from edge_rt.api.middleware.decode import read_body
from edge_rt.api.openai.answers import Dialect
from edge_rt.api.openai.chat import ChatCompletions, ChatRequest
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import RequestError

BodyT = TypeVar("BodyT", bound=msgspec.Struct)


class _Chat(ChatCompletions):
    """Answers as a chat completion would, under ids of another API."""

    def __init__(self, context: Context, ids: str) -> None:
        super().__init__(context)
        self._ids = ids

    @override
    def _new_id(self) -> str:
        return f"{self._ids}{self.context.new_id()}"


class TranslatedChat(ABC, Generic[BodyT]):
    """An endpoint whose bodies are other APIs' words for a chat completion."""

    body: type[BodyT]
    ids: str  # what those of its answers begin with

    def __init__(self, context: Context) -> None:
        self.context = context
        self.chat = _Chat(context, self.ids)
        self._reader = BodyReader(self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised, in that API's words."""
        body = await read_body(scope, receive, limit=self.context.requests.body_bytes)
        exchange = exchange_of(scope)
        asked = self._reader.read(body, exchange.warnings)
        exchange.warnings += self.told(asked)
        try:
            await self.answer(asked, exchange, receive, send)
        except RequestError as error:
            raise self.renamed(error) from error

    async def answer(self, asked: BodyT, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Answer the body as the chat completion that it stands for."""

        def form(head: Head, reading: Reading | None, reader: MakeReader | None) -> Dialect:
            return self.dialect(asked, head, reader)

        request = CheckedRequest(self.translated(asked), form=form)
        await self.chat.serve(request, exchange, receive, send)

    def told(self, asked: BodyT) -> Iterable[str]:
        """Return what of the body is not honoured; raises RequestError for what must be."""
        return ()

    @abstractmethod
    def translated(self, asked: BodyT) -> ChatRequest:
        """Return the chat completion that a body stands for; raises RequestError."""

    @abstractmethod
    def dialect(self, asked: BodyT, head: Head, reader: MakeReader | None) -> Dialect:
        """Return the dialect of the answer."""

    @abstractmethod
    def renamed(self, error: RequestError) -> RequestError:
        """Return the error with the fields at fault under their names in that API."""
