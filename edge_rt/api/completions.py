"""POST /v1/completions."""

from __future__ import annotations

import msgspec

from edge_rt.api.completions_answer import TextDialect
from edge_rt.api.completions_request import (
    DEFAULT_MAX_TOKENS,
    CompletionsRequest,
    Prompt,
    check,
    prompts,
)
from edge_rt.api.context import Head, new_head
from edge_rt.api.decode import decode
from edge_rt.api.fields import answers, sampling
from edge_rt.api.generation import Generation
from edge_rt.api.partner import without_partner
from edge_rt.api.run import Work
from edge_rt.api.service import Call, Serving

_DECODER = msgspec.json.Decoder(CompletionsRequest)


class Completions(Generation):
    """Continues texts as they are, without a template.

    Control tokens spelt out in a prompt are recognised: whoever comes here formats prompts alone.
    """

    async def prepare(self, body: bytes) -> Work:
        """Decode and check; raises RequestError or ModelNotFound."""
        request = decode(_DECODER, body)
        check(request)
        found = prompts(request)
        longest = max(found, key=len)  # the others are read beside it

        async def write(model: str) -> str | list[int]:
            return longest

        tokens = request.max_tokens or DEFAULT_MAX_TOKENS
        wish = self.wish(request, "cmpl", tokens, write)
        serving = await self.context.service.route(wish)
        named = bool(request.logit_bias) or any(isinstance(prompt, list) for prompt in found)
        serving, card = without_partner(serving, wish, tokens=named), serving.card
        return Work(
            serving=serving,
            calls=self._calls(request, serving, found),
            dialect=self._dialect(request, new_head(self.context, card, wish.id), found),
            stream=bool(request.stream),
            include_usage=request.include_usage,
            allowance=request.edge,
            wanted=wish.mode,
        )

    def _calls(
        self, request: CompletionsRequest, serving: Serving, found: list[Prompt]
    ) -> list[Call]:
        card = serving.card
        call = Call(
            model=card.id,
            prompt="",
            special=True,
            sampling=sampling(request, card.sampling, request.logprobs),
            max_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
            n=answers(request, self.context.requests.max_n),
            stop=request.stops,
            ignore_eos=bool(request.ignore_eos),
            mode=serving.mode,
            threads=serving.threads,
            form=serving.form,
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
