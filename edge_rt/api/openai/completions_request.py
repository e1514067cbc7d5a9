"""The body of POST /v1/completions."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from edge_rt.api.openai.fields import GenerationFields, TokenId
from edge_rt.api.openai.texts import Text, separate
from edge_rt.api.openai.unsupported import refuse, unsupported
from edge_rt.core.errors import RequestError

DEFAULT_MAX_TOKENS = 16  # OpenAI's

Prompt = Text


class CompletionsRequest(GenerationFields, frozen=True, kw_only=True):
    """One or several texts that are to be continued."""

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    """Text or token ids, one prompt or several."""
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    """How many alternatives come with each token."""
    echo: bool | None = None
    """Whether the answer begins with the prompt."""
    best_of: Annotated[int, Meta(ge=1)] | None = None
    """Only the value of `n` is taken."""
    # refused
    suffix: Any = None


def check(request: CompletionsRequest) -> None:
    """Raise RequestError for what types cannot tell."""
    refuse(request, "suffix")
    if request.best_of is not None and request.best_of != (request.n or 1):
        message = f"`best_of`: only the value of `n` is supported, got {request.best_of}."
        raise unsupported("best_of", message)
    if request.echo and request.logprobs is not None:
        raise unsupported("echo", "`echo` together with `logprobs` is not supported.")


def prompts(request: CompletionsRequest) -> list[Prompt]:
    """The prompts, each text or token ids; raises RequestError when kinds are mixed."""
    found = separate(request.prompt, "prompt")
    for i, prompt in enumerate(found):
        if isinstance(prompt, list):
            _check_tokens(request, prompt, f"prompt[{i}]" if len(found) > 1 else "prompt")
    return found


def _check_tokens(request: CompletionsRequest, prompt: list[int], at: str) -> None:
    if not prompt:
        message = f"`{at}`: expected at least one token id, got none."
        raise RequestError(message, param=at, code="invalid_value")
    if request.echo:
        raise unsupported("echo", "`echo` needs a prompt of text, got token ids.")
