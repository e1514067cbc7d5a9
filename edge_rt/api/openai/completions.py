"""POST /v1/completions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta
from typing_extensions import override

from edge_rt.api.asked import MakeReader
from edge_rt.api.endpoint import GenerationEndpoint
from edge_rt.api.middleware.context import Context, Head
from edge_rt.api.openai.answers import Dialect, TextDialect
from edge_rt.api.openai.fields import GenerationFields, Text, TokenId, separate
from edge_rt.api.openai.unsupported import REFUSED, unsupported
from edge_rt.api.work import Work
from edge_rt.core.errors import RequestError, invalid
from edge_rt.generation.samples.terms import SamplesTerms

DEFAULT_MAX_TOKENS = 16  # OpenAI's


class CompletionsRequest(GenerationFields, frozen=True, kw_only=True):
    """One or several texts that are to be continued."""

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    """Text or token ids, one prompt or several."""
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    """How many alternatives come with each token."""
    suffix: str | None = None
    """Text behind the gap that the answer fills, for models with tokens for that."""
    echo: bool | None = None
    """Whether the answer begins with the prompt."""
    best_of: Annotated[int, Meta(ge=1)] | None = None
    """Number of answers that are made, at most `requests.max_n`. The `n` that are likeliest go out,
    by the mean log-probability of their tokens. Default: `n`."""

    @property
    @override
    def most_tokens(self) -> int | None:
        fits = self.edge is not None and self.edge.fit and self.edge.limited
        return self.max_tokens or (None if fits else DEFAULT_MAX_TOKENS)

    @property
    @override
    def alternatives(self) -> int | None:
        return self.logprobs

    @property
    @override
    def samples(self) -> SamplesTerms | None:
        chosen = self.best_of is not None and self.best_of > (self.n or 1)
        return SamplesTerms(most=self.best_of or 1) if chosen else super().samples

    @override
    def check(self) -> None:
        super().check()
        if self.edge is not None and self.edge.think is not None:
            message = "`edge.think` is not supported: a prompt of /v1/completions has no thoughts."
            raise unsupported("edge.think", message)
        if self.edge is not None and self.edge.context:
            message = "`edge.context` is not supported: /v1/completions takes no messages."
            raise unsupported("edge.context", message)
        n = self.n or 1
        if self.best_of is not None and self.best_of < n:
            raise invalid("best_of", f"expected at least `n`, which is {n}, got {self.best_of}")
        if self.best_of is not None and self.edge is not None and self.edge.samples is not None:
            message = "`best_of` cannot go with `edge.samples`: leave out one of them."
            raise RequestError(message, param="best_of", code="invalid_value")
        if self.echo and self.logprobs is not None:
            message = "`echo` with `logprobs` is not supported, for a prompt has none"
            raise unsupported("echo", f"{message}: leave one out.")


def prompts(request: CompletionsRequest) -> list[Text]:
    """Return the prompts, each text or token ids; raises RequestError when kinds are mixed."""
    found = separate(request.prompt, "prompt")
    for i, prompt in enumerate(found):
        if prompt == []:
            at = f"prompt[{i}]" if len(found) > 1 else "prompt"
            raise invalid(at, "expected at least one token id, got none")
        if request.echo and isinstance(prompt, list):
            told = "`echo` needs a prompt of text, got token ids: send text, or leave `echo` out."
            raise unsupported("echo", told)
    return found


class Completions(GenerationEndpoint[CompletionsRequest]):
    """Continue one or several texts.

    There is no template: whoever comes here formats prompts alone, so that control tokens spelt
    out in a prompt are recognised.
    """

    prefix = "cmpl"

    def __init__(self, context: Context) -> None:
        super().__init__(context, CompletionsRequest, REFUSED)

    @override
    async def prepare(self, request: CompletionsRequest, client: str | None) -> Work:
        found = prompts(request)
        asked = self.route_request(request, max(found, key=len), client)
        plan = await self.context.service.router.route(asked)
        work = self.work(request, asked.id, plan, found)
        fit = self.fit(request, plan, len(found))
        return work.with_calls(suffix=request.suffix or None).within(None, fit)

    @override
    def replayed_prompts(self, request: CompletionsRequest) -> Sequence[Text]:
        return prompts(request)

    @override
    def dialect(
        self,
        request: CompletionsRequest,
        head: Head,
        prompts: Sequence[Text],
        reader: MakeReader | None,
    ) -> Dialect:
        texts = [prompt if request.echo and isinstance(prompt, str) else "" for prompt in prompts]
        return TextDialect(
            head,
            include_usage=request.include_usage,
            wants_logprobs=request.logprobs is not None,
            echoes=[text for text in texts for _ in range(request.n or 1)],
        )
