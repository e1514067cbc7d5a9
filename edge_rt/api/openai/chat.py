"""POST /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from edge_rt.api.generation.generation import Generation
from edge_rt.api.generation.nearby import MOST
from edge_rt.api.generation.partner import with_partner, without_partner
from edge_rt.api.generation.run import Work
from edge_rt.api.middleware.context import Context, new_head
from edge_rt.api.middleware.decode import decode
from edge_rt.api.openai.chat_answer import ChatDialect
from edge_rt.api.openai.chat_request import ChatRequest, check, top_logprobs
from edge_rt.api.openai.fields import answers, sampling
from edge_rt.api.openai.messages import last_said, template_messages
from edge_rt.api.openai.tools import template_tools
from edge_rt.core.errors import ModelFileError, RequestError
from edge_rt.core.requests import Call, Identity, Serving
from edge_rt.core.routing import DecodingRequest

_DECODER = msgspec.json.Decoder(ChatRequest)


class ChatCompletions(Generation[ChatRequest]):
    """Continues a conversation through the model's chat template."""

    prefix = "chatcmpl"

    def __init__(self, context: Context) -> None:
        super().__init__(context, ChatRequest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Generation; what the engine finds wrong with the prompt is the messages' fault."""
        try:
            await super().__call__(scope, receive, send)
        except RequestError as error:
            if error.param != "prompt":
                raise
            raise RequestError(str(error), param="messages", code=error.code) from error

    def read(self, body: bytes) -> ChatRequest:
        """See Generation."""
        request = decode(_DECODER, body)
        check(request)
        return request

    def max_tokens(self, request: ChatRequest) -> int | None:
        """See Generation."""
        return request.answer_tokens

    def top_logprobs(self, request: ChatRequest) -> int | None:
        """See Generation."""
        return top_logprobs(request)

    def text(self, request: ChatRequest) -> str:
        """See Generation: the last that the user said."""
        return last_said(request.messages)

    def prompt(self, request: ChatRequest) -> object:
        """See Generation."""
        return request.messages, request.tools

    def topic(self, request: ChatRequest) -> tuple[ChatRequest, str] | None:
        """See Generation: what the user said, if nobody said anything since."""
        *before, last = request.messages
        text = last_said([last])
        if not text or len(text) > MOST:
            return None
        return replace(request, messages=[*before, replace(last, content="")]), text

    async def timed_prompts(
        self, request: ChatRequest, models: Sequence[Identity], client: str | None
    ) -> list[str]:
        """See Generation."""
        timed = dict.fromkeys(id for one in models for id in one.timed)
        return [await self._written(request, id, client) for id in timed]

    async def prepare(self, request: ChatRequest, client: str | None) -> Work:
        """See Generation."""
        written: dict[str, str] = {}  # by model, so that no template is filled in twice

        async def write(model: str) -> str:
            if model not in written:
                written[model] = await self._render(request, model, client)
            return written[model]

        wish = self.wish(request, write)
        serving = await self.context.service.route(wish)
        prompt = await write(serving.card.id)
        serving = without_partner(serving, wish, tokens=bool(request.logit_bias))
        serving = await with_partner(serving, wish, prompt)
        return self._work(request, wish.id, serving, prompt, wish.mode)

    def again(self, request: ChatRequest, id: str, serving: Serving) -> Work:
        """See Generation."""
        return self._work(request, id, serving)

    def _work(
        self,
        request: ChatRequest,
        id: str,
        serving: Serving,
        prompt: str = "",
        wanted: DecodingRequest = DecodingRequest(),  # noqa: B008 - a tuple
    ) -> Work:
        return Work(
            serving=serving,
            calls=[self._call(request, id, serving, prompt)],
            dialect=ChatDialect(
                new_head(self.context, serving.card, id),
                include_usage=request.include_usage,
                wants_logprobs=bool(request.logprobs),
            ),
            stream=bool(request.stream),
            include_usage=request.include_usage,
            allowance=request.edge,
            wanted=wanted,
        )

    def _call(self, request: ChatRequest, id: str, serving: Serving, prompt: str) -> Call:
        n, card = answers(request, self.context.requests.max_n), serving.card
        how = sampling(request, card.sampling, top_logprobs(request))
        return Call(
            model=card.id,
            prompt=prompt,
            special=True,
            sampling=how,
            max_tokens=request.answer_tokens,
            n=n,
            stop=request.stops,
            ignore_eos=bool(request.ignore_eos),
            mode=serving.mode,
            threads=serving.threads,
            form=serving.form,
            id=id,
        )

    async def _written(self, request: ChatRequest, model: str, client: str | None) -> str:
        """The prompt, or what speaks against one: another model may answer."""
        try:
            return await self._render(request, model, client)
        except (RequestError, ModelFileError) as error:
            return str(error)

    async def _render(self, request: ChatRequest, model: str, client: str | None) -> str:
        try:
            return await self.context.service.render(
                model,
                template_messages(request.messages),
                tools=template_tools(request.tools, request.tool_choice),
                variables=request.chat_template_kwargs,
                client=client,
            )
        except RecursionError:
            # What the decoder can just read may be too deep for a template to print.
            message = "The messages, tools or chat_template_kwargs are nested too deeply."
            raise RequestError(message, code="invalid_value") from None
