"""Anthropic's Messages API: POST /v1/messages and POST /v1/messages/count_tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from starlette.types import Receive, Send
from typing_extensions import override

from edge_rt.api.anthropic.bodies import (
    CountMessageTokensRequest,
    MessagesRequest,
    chat_request,
    told,
)
from edge_rt.api.anthropic.documents import MessagesDialect, TokenCount
from edge_rt.api.asked import MakeReader
from edge_rt.api.middleware.context import Exchange, Head
from edge_rt.api.middleware.decode import unless_gone
from edge_rt.api.middleware.respond import send_json
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.images import image_sources
from edge_rt.api.openai.translated import TranslatedChat
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import RequestError

BodyT = TypeVar("BodyT", bound=CountMessageTokensRequest)

_NAMES = {
    "response_format.json_schema.schema": "output_config.format.schema",
    "response_format.json_schema": "output_config.format",
    "response_format": "output_config.format",
    "edge.think": "thinking",
    "prompt": "messages",
    "stop": "stop_sequences",
    "continue_final_message": "messages",
}


class _Conversations(TranslatedChat[BodyT]):
    """What both endpoints do alike."""

    ids, names = "msg_", _NAMES

    @override
    def translated(self, asked: BodyT) -> ChatRequest:
        return chat_request(asked)

    @override
    def dialect(
        self, asked: BodyT, head: Head, reading: Reading | None, reader: MakeReader | None
    ) -> MessagesDialect:
        return MessagesDialect(head, reader=reader)

    @override
    def theirs(self, param: str) -> str:
        if not param.startswith("tools["):
            return super().theirs(param)
        return param.replace("].function.parameters", "].input_schema").replace("].function", "]")


class Messages(_Conversations[MessagesRequest]):
    """Continue a conversation, as Anthropic's Messages API does.

    Requests are translated, and answered as chat completions are.
    """

    body = MessagesRequest

    @override
    def told(self, asked: MessagesRequest, body: bytes) -> Iterable[str]:
        return told(asked)


class CountMessageTokens(_Conversations[CountMessageTokensRequest]):
    """Count the tokens of a conversation, as Anthropic's API does.

    The model need not be in memory.
    """

    body = CountMessageTokensRequest

    @override
    async def answer(
        self, asked: CountMessageTokensRequest, exchange: Exchange, receive: Receive, send: Send
    ) -> None:
        await unless_gone(self._count(asked, exchange.client, send), receive)

    async def _count(
        self, asked: CountMessageTokensRequest, client: str | None, send: Send
    ) -> None:
        service = self.context.service
        model = service.able(asked.model, "language").id
        request = chat_request(asked)
        if (image := next(image_sources(request.messages), None)) is not None:
            message = (
                f"`{image.at}`: no tokens of images are counted; `usage` of an answer tells them."
            )
            raise RequestError(message, param=image.at, code="unsupported_content")
        text = await service.render(model, self.chat.chat_prompt(request), client)
        found = await service.tokenize(model, text, special=True, begins=True)
        await send_json(send, TokenCount(len(found.tokens or ())))
