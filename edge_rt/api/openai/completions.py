"""POST /v1/completions."""

from __future__ import annotations

import msgspec

from edge_rt.api.generation.generation import Generation
from edge_rt.api.generation.partner import without_partner
from edge_rt.api.generation.run import Work
from edge_rt.api.middleware.context import Context, Head, new_head
from edge_rt.api.middleware.decode import decode
from edge_rt.api.openai.completions_answer import TextDialect
from edge_rt.api.openai.completions_request import (
    DEFAULT_MAX_TOKENS,
    CompletionsRequest,
    Prompt,
    check,
    prompts,
)
from edge_rt.api.openai.fields import answers, sampling
from edge_rt.core.requests import Call, Serving
from edge_rt.core.routing import DecodingRequest

_DECODER = msgspec.json.Decoder(CompletionsRequest)


class Completions(Generation[CompletionsRequest]):
    """Continues texts as they are, without a template.

    Control tokens spelt out in a prompt are recognised: whoever comes here formats prompts alone.
    """

    prefix = "cmpl"

    def __init__(self, context: Context) -> None:
        super().__init__(context, CompletionsRequest)

    def read(self, body: bytes) -> CompletionsRequest:
        """See Generation."""
        request = decode(_DECODER, body)
        check(request)
        return request

    def max_tokens(self, request: CompletionsRequest) -> int | None:
        """See Generation."""
        return request.max_tokens or DEFAULT_MAX_TOKENS

    def top_logprobs(self, request: CompletionsRequest) -> int | None:
        """See Generation."""
        return request.logprobs

    def text(self, request: CompletionsRequest) -> str:
        """See Generation."""
        return max((p for p in prompts(request) if isinstance(p, str)), key=len, default="")

    def prompt(self, request: CompletionsRequest) -> object:
        """See Generation."""
        return request.prompt

    async def prepare(self, request: CompletionsRequest, client: str | None) -> Work:
        """See Generation."""
        found = prompts(request)
        longest = max(found, key=len)  # the others are read beside it

        async def write(model: str) -> str | list[int]:
            return longest

        wish = self.wish(request, write)
        serving = await self.context.service.route(wish)
        named = bool(request.logit_bias) or any(isinstance(prompt, list) for prompt in found)
        serving = without_partner(serving, wish, tokens=named)
        return self._work(request, wish.id, serving, found, wish.mode)

    def again(self, request: CompletionsRequest, id: str, serving: Serving) -> Work:
        """See Generation."""
        return self._work(request, id, serving, prompts(request))

    def _work(
        self,
        request: CompletionsRequest,
        id: str,
        serving: Serving,
        found: list[Prompt],
        wanted: DecodingRequest = DecodingRequest(),  # noqa: B008 - a tuple
    ) -> Work:
        head = new_head(self.context, serving.card, id)
        return Work(
            serving=serving,
            calls=self._calls(request, id, serving, found),
            dialect=self._dialect(request, head, found),
            stream=bool(request.stream),
            include_usage=request.include_usage,
            allowance=request.edge,
            wanted=wanted,
        )

    def _calls(
        self, request: CompletionsRequest, id: str, serving: Serving, found: list[Prompt]
    ) -> list[Call]:
        card = serving.card
        call = Call(
            model=card.id,
            prompt="",
            special=True,
            sampling=sampling(request, card.sampling, request.logprobs),
            max_tokens=self.max_tokens(request),
            n=answers(request, self.context.requests.max_n),
            stop=request.stops,
            ignore_eos=bool(request.ignore_eos),
            mode=serving.mode,
            threads=serving.threads,
            form=serving.form,
            id=id,
        )
        return [msgspec.structs.replace(call, prompt=prompt) for prompt in found]

    def _dialect(self, request: CompletionsRequest, head: Head, found: list[Prompt]) -> TextDialect:
        each = request.n or 1
        texts = [prompt if request.echo and isinstance(prompt, str) else "" for prompt in found]
        return TextDialect(
            head,
            include_usage=request.include_usage,
            wants_logprobs=request.logprobs is not None,
            echoes=[text for text in texts for _ in range(each)],
        )
