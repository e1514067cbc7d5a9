"""The tokens of one input of an embedding model."""

from __future__ import annotations

from edge_rt.backends.base import EmbeddingBackend
from edge_rt.errors import RequestError

CHARACTERS = 64  # a token, more than any text has: longer ones are cut or refused unread


def fitting_tokens(
    given: str | list[int], backend: EmbeddingBackend, truncate: str | None, param: str
) -> list[int]:
    """`given` as tokens that fit into the model's context, cut at the side `truncate` if need be.

    Control tokens around a text stay. RequestError, about `param`, for an input that is too long
    and not to be cut, empty, or no tokens of this model.
    """
    tokens = given if isinstance(given, list) else _tokens(given, backend, truncate, param)
    if not tokens:
        raise _fault(param, "the input is empty: send at least one character")
    for token in tokens:
        if not 0 <= token < backend.vocab:
            raise _fault(param, f"token {token} is not one of the model's {backend.vocab}")
    if len(tokens) <= backend.context:
        return tokens
    if truncate is None:
        raise _too_long(param, f"{len(tokens)} tokens", f"{backend.context}")
    before, behind = backend.marks if isinstance(given, str) else (0, 0)
    return _cut(tokens, backend.context, truncate, before, behind)


def _tokens(text: str, backend: EmbeddingBackend, truncate: str | None, param: str) -> list[int]:
    """Cutting megabytes into tokens would hold up every stream for seconds, so it is not done."""
    most = CHARACTERS * backend.context
    if len(text) > most:
        if truncate is None:
            raise _too_long(param, f"{len(text)} characters", f"{backend.context} tokens")
        text = text[:most] if truncate == "end" else text[-most:]
    return backend.tokenize(text, special=False)


def _cut(tokens: list[int], most: int, truncate: str, before: int, behind: int) -> list[int]:
    """The first or the last tokens, with the control tokens at both ends."""
    end = len(tokens) - behind
    kept = max(0, most - before - behind)
    middle = tokens[before:end]
    middle = middle[:kept] if truncate == "end" else middle[len(middle) - kept :]
    return [*tokens[:before], *middle, *tokens[end:]][:most]


def _fault(param: str, what: str) -> RequestError:
    return RequestError(f"`{param}`: {what}.", param=param, code="invalid_value")


def _too_long(param: str, what: str, context: str) -> RequestError:
    return RequestError(
        f"`{param}`: {what} are too many, this model takes {context}: shorten it, or have it cut "
        'with `edge.truncate`: "end" or "start"',
        param=param,
        code="context_length_exceeded",
    )
