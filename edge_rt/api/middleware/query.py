"""The query of a URL as whole numbers, with errors that name the parameter and what fits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.types import Scope

from edge_rt.api.middleware.decode import describe
from edge_rt.core.errors import RequestError

_DIGITS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`; `default` where the query does not tell."""

    low: int
    high: int
    default: int


def whole_numbers(scope: Scope, **allowed: Whole) -> dict[str, int]:
    """The value of each allowed parameter; raises RequestError for any other and for bad values."""
    text = scope["query_string"].decode("latin-1")
    given = parse_qsl(text, keep_blank_values=True)
    _check_names([name for name, _ in given], allowed)
    numbers = {name: _number(name, value, allowed[name]) for name, value in given}
    return {name: numbers.get(name, whole.default) for name, whole in allowed.items()}


def _check_names(names: list[str], allowed: dict[str, Whole]) -> None:
    unknown = sorted(set(names) - set(allowed))
    if unknown:
        fits = ", ".join(f"`{name}`" for name in allowed) or "none"
        what = describe(", ".join(unknown))
        message = f"Unknown query parameters: {what}; allowed here: {fits}."
        raise RequestError(message, param=unknown[0], code="unknown_parameter")
    for name in allowed:
        if names.count(name) > 1:
            message = f"`{name}` is given {names.count(name)} times; give it once."
            raise RequestError(message, param=name, code="invalid_value")


def _number(name: str, text: str, whole: Whole) -> int:
    if _DIGITS.fullmatch(text) and whole.low <= int(text) <= whole.high:
        return int(text)
    expected = f"expected a whole number from {whole.low} to {whole.high}"
    message = f"`{name}`: {expected}, got {describe(text)}."
    raise RequestError(message, param=name, code="invalid_value")
