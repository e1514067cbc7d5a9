"""The tokens that a request begins with."""

from __future__ import annotations

from edge_rt.backends.base import Backend, PromptVocabulary
from edge_rt.engine.cut import CUT
from edge_rt.errors import RequestError


def prompt_tokens(prompt: str | list[int], special: bool, backend: Backend) -> list[int]:
    """The prompt as tokens; RequestError when it is empty, unknown to the model or too long."""
    if isinstance(prompt, str):
        _refuse_text_that_cannot_fit(prompt, backend)
        prompt = text_tokens(prompt, special, backend)
    if not prompt:
        raise RequestError("the prompt is empty: send at least one character", param="prompt")
    for token in prompt:
        if not 0 <= token < backend.vocab:
            raise RequestError(
                f"token {token} is not in the vocabulary of {backend.vocab} tokens",
                param="prompt",
            )
    if len(prompt) >= backend.context:
        raise _too_long(f"{len(prompt)}", backend)
    return prompt


def text_tokens(text: str, special: bool, vocabulary: PromptVocabulary) -> list[int]:
    """The tokens of a text, of which what a CUT parts is read apart."""
    first, *others = text.split(CUT)
    tokens = vocabulary.tokenize(first, special=special)
    for part in others:
        tokens += vocabulary.tokenize(part, special=special, begins=False)
    return tokens


def _refuse_text_that_cannot_fit(text: str, backend: Backend) -> None:
    """Tokenising megabytes would hold up every running stream for seconds."""
    least = len(text.encode()) // backend.longest_piece
    if least >= backend.context:
        raise _too_long(f"at least {least}", backend)


def _too_long(tokens: str, backend: Backend) -> RequestError:
    return RequestError(
        f"This model's maximum context length is {backend.context} tokens, and the "
        f"prompt alone has {tokens}: shorten it",
        param="prompt",
        code="context_length_exceeded",
    )
