"""The body of POST /v1/completions."""

from __future__ import annotations

from typing import Annotated, Any, TypeGuard

from msgspec import Meta

from edge_rt.api.fields import GenerationFields, TokenId
from edge_rt.api.unsupported import refuse, unsupported
from edge_rt.errors import RequestError

DEFAULT_MAX_TOKENS = 16  # OpenAI's
MAX_PROMPTS = 2048  # of one request; OpenAI's

Prompt = str | list[int]


class CompletionsRequest(GenerationFields, frozen=True, kw_only=True):
    """One or several texts that are to be continued."""

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    best_of: Annotated[int, Meta(ge=1)] | None = None
    suffix: Any = None  # refused


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
    found = _prompts(request.prompt)
    for i, prompt in enumerate(found):
        if isinstance(prompt, list):
            _check_tokens(request, prompt, f"prompt[{i}]" if len(found) > 1 else "prompt")
    if len(found) > MAX_PROMPTS:
        message = f"`prompt`: expected at most {MAX_PROMPTS} prompts, got {len(found)}."
        raise RequestError(message, param="prompt", code="invalid_value")
    return found


def _prompts(given: str | list[str | int | list[int]]) -> list[Prompt]:
    if isinstance(given, str):
        return [given]
    if _all_of(given, int):
        return [given]
    if _all_of(given, str):
        return list(given)
    if _all_of(given, list):
        return list(given)
    message = "`prompt`: expected all strings, all token ids or all arrays of token ids, got a mix."
    raise RequestError(message, param="prompt", code="invalid_value")


def _all_of(given: list[Any], kind: type[Any]) -> TypeGuard[list[Any]]:
    return all(isinstance(item, kind) for item in given)


def _check_tokens(request: CompletionsRequest, prompt: list[int], at: str) -> None:
    if not prompt:
        message = f"`{at}`: expected at least one token id, got none."
        raise RequestError(message, param=at, code="invalid_value")
    if request.echo:
        raise unsupported("echo", "`echo` needs a prompt of text, got token ids.")
