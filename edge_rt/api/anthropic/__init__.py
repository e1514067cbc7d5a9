"""Anthropic's Messages API: POST /v1/messages and POST /v1/messages/count_tokens."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.anthropic.bodies import (
    CountMessageTokensRequest,
    MessagesRequest,
    chat_request,
    told,
)
from edge_rt.api.anthropic.documents import MessagesDialect, TokenCount
from edge_rt.api.asked import CheckedRequest, MakeReader
from edge_rt.api.middleware.context import Context, Head, exchange_of
from edge_rt.api.middleware.decode import read_body, renamed, unless_gone
from edge_rt.api.middleware.respond import send_json
from edge_rt.api.openai.chat import ChatCompletions
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import RequestError

_NAMES = {
    "response_format.json_schema.schema": "output_config.format.schema",
    "response_format.json_schema": "output_config.format",
    "response_format": "output_config.format",
    "edge.think": "thinking",
    "prompt": "messages",
    "stop": "stop_sequences",
    "continue_final_message": "messages",
}


class Messages:
    """Continue a conversation, as Anthropic's Messages API does.

    Requests are translated, and answered as chat completions are.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._body = BodyReader(MessagesRequest)
        self._chat = _Chat(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised, in this API's words."""
        body = await read_body(scope, receive, limit=self._context.requests.body_bytes)
        exchange = exchange_of(scope)
        asked = self._body.read(body, exchange.warnings)
        exchange.warnings += told(asked)
        try:
            request = CheckedRequest(chat_request(asked), form=_form)
            await self._chat.serve(request, exchange, receive, send)
        except RequestError as error:
            raise _renamed(error) from error


class CountMessageTokens:
    """Count the tokens of a conversation, as Anthropic's API does.

    The model need not be in memory.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._body = BodyReader(CountMessageTokensRequest)
        self._chat = _Chat(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised, in this API's words."""
        body = await read_body(scope, receive, limit=self._context.requests.body_bytes)
        exchange = exchange_of(scope)
        asked = self._body.read(body, exchange.warnings)
        try:
            await unless_gone(self._count(asked, exchange.client, send), receive)
        except RequestError as error:
            raise _renamed(error) from error

    async def _count(
        self, asked: CountMessageTokensRequest, client: str | None, send: Send
    ) -> None:
        service = self._context.service
        model = service.able(asked.model, "language").id
        prompt = self._chat.chat_prompt(chat_request(asked))
        text = await service.render(model, prompt, client)
        found = await service.tokenize(model, text, special=True, begins=True)
        await send_json(send, TokenCount(len(found.tokens or ())))


class _Chat(ChatCompletions):
    """Answers as a chat completion would, under ids of this API."""

    @override
    def _new_id(self) -> str:
        return f"msg_{self.context.new_id()}"


def _form(head: Head, reading: Reading | None, reader: MakeReader | None) -> MessagesDialect:
    return MessagesDialect(head, reader=reader)


def _renamed(error: RequestError) -> RequestError:
    """Return the error with the fields at fault under their names in this API."""
    param, names = error.param, _NAMES
    if param is not None and param.startswith("tools["):
        theirs = param.replace("].function.parameters", "].input_schema")
        names = names | {param: theirs.replace("].function", "]")}
    return renamed(error, names)
