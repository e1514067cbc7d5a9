"""The field `edge.check`: the name of a program that judges the text of the answers."""

from __future__ import annotations

from collections.abc import Mapping

from edge_rt.api.allowance import Terms
from edge_rt.core.errors import RequestError
from edge_rt.decoding.params import CheckerSpec

_MOST = 16  # names that an error tells


def checker_of(terms: Terms | None, checkers: Mapping[str, CheckerSpec]) -> CheckerSpec | None:
    """The configured program that a request names; None: it names none. Raises RequestError."""
    name = None if terms is None else terms.check
    if terms is None or name is None:
        return None
    if terms.cache not in (None, "off"):
        message = "`edge.cache` cannot go with `edge.check`: answers under a check are not kept."
        raise RequestError(message, param="edge.cache", code="invalid_value")
    if not checkers:
        raise _unknown(
            "no checker is configured; `checks: {NAME: {command: [PROGRAM, ARGUMENT]}}` in "
            "config.yaml configures one."
        )
    if name not in checkers:
        names = ", ".join(sorted(checkers)[:_MOST])
        raise _unknown(f"there is no checker {name!r:.80}; there are: {names}.")
    return checkers[name]


def _unknown(what: str) -> RequestError:
    return RequestError(f"`edge.check`: {what}", param="edge.check", code="unknown_check")
