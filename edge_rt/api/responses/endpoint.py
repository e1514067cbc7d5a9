"""POST /v1/responses, and the paths of answers that are not kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from edge_rt.api.middleware.context import Context, Head, exchange_of
from edge_rt.api.middleware.decode import decode, describe, read_body, renamed
from edge_rt.api.openai.chat import ChatCompletions, ChatRequest
from edge_rt.api.openai.fields import Text
from edge_rt.api.openai.unsupported import ExtraFields
from edge_rt.api.responses.answers import ResponsesDialect
from edge_rt.api.responses.bodies import ResponsesRequest, chat_request, refuse
from edge_rt.core.chat_format import Reading
from edge_rt.core.errors import RequestError

_DECODER = msgspec.json.Decoder(ResponsesRequest)


class Responses:
    """Translates requests, and has them answered as chat completions are."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._extra = ExtraFields(ResponsesRequest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised, in this API's words."""
        body = await read_body(scope, receive, limit=self._context.requests.body_bytes)
        exchange = exchange_of(scope)
        asked = decode(_DECODER, body)
        refuse(asked)
        exchange.warnings += [*self._extra.warnings(body), *asked.told()]
        try:
            request = chat_request(asked)
            await _Chat(self._context, asked).serve(request, exchange, receive, send)
        except RequestError as error:
            raise _renamed(error) from error


class _Chat(ChatCompletions):
    """Answers one request as a chat completion would, in the shape of a response."""

    def __init__(self, context: Context, asked: ResponsesRequest) -> None:
        super().__init__(context)
        self._asked = asked

    @override
    def dialect(
        self, request: ChatRequest, head: Head, prompts: Sequence[Text], reading: Reading | None
    ) -> ResponsesDialect:
        reader = self.reader(request, reading)
        return ResponsesDialect(head, self._asked, self.context.clock, reader=reader)

    @override
    def _new_id(self) -> str:
        return f"resp_{self.context.new_id()}"


_NAMES = {
    "response_format.json_schema": "text.format",
    "response_format": "text.format",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "messages": "input",
    "prompt": "input",
}


def _renamed(error: RequestError) -> RequestError:
    """The error with the fields at fault under their names in this API."""
    param, names = error.param, _NAMES
    if (
        param is not None
        and param not in names
        and param.startswith(("tools[", "response_format."))
    ):
        told = param.replace("].function", "]").replace("response_format.", "text.format.")
        names = names | {param: told}
    return renamed(error, names)


async def kept(context: Context, scope: Scope, receive: Receive, send: Send) -> None:
    """Raise HTTPException 404: there are no answers to be had again."""
    id = describe(scope["path_params"]["id"])
    advice = "read it where it is made, or send the whole conversation as `input`"
    raise HTTPException(404, f"The response {id} is not here: answers are not kept; {advice}.")
