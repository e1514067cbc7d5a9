"""One or several texts of a request, in all the shapes that OpenAI takes."""

from __future__ import annotations

from typing import Any, TypeGuard

from edge_rt.core.errors import RequestError

MAX_TEXTS = 2048  # of one request; OpenAI's

Text = str | list[int]
"""A text, or the token ids that it was cut into."""


def separate(given: str | list[str | int | list[int]], name: str) -> list[Text]:
    """The texts of the field `name`; RequestError when there are too many or kinds are mixed."""
    found = _separate(given, name)
    if len(found) > MAX_TEXTS:
        message = f"`{name}`: expected at most {MAX_TEXTS} {name}s, got {len(found)}."
        raise RequestError(message, param=name, code="invalid_value")
    return found


def _separate(given: str | list[str | int | list[int]], name: str) -> list[Text]:
    if isinstance(given, str):
        return [given]
    if _all_of(given, int):
        return [given]
    if _all_of(given, str):
        return list(given)
    if _all_of(given, list):
        return list(given)
    message = (
        f"`{name}`: expected all strings, all token ids or all arrays of token ids, got a mix."
    )
    raise RequestError(message, param=name, code="invalid_value")


def _all_of(given: list[Any], kind: type[Any]) -> TypeGuard[list[Any]]:
    return all(isinstance(item, kind) for item in given)
