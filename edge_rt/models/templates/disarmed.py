"""Control tokens that are spelt out in a text, kept from becoming control tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, cast

# What marks turns in common templates, should a vocabulary not call it a control token.
_USUAL = (
    r"<\|[^|<>\s]{1,64}\|>",
    "<\uff5c[^\uff5c<>\\s]{1,64}\uff5c>",
    "</?s>",
    "<(?:start|end)_of_turn>",
)


class Disarmed:
    """Puts a mark into every control token that a text spells out, behind its first character."""

    def __init__(self, tokens: Iterable[str], mark: str) -> None:
        known = sorted({token for token in tokens if len(token) > 1})
        begins = "".join(sorted({re.escape(token[0]) for token in (*known, "<")}))
        ways = "|".join((*_USUAL, *map(re.escape, known)))
        # Looked at from each place on, for one token may begin within another.
        self._token: re.Pattern[str] = re.compile(f"(?=[{begins}])(?=(?:{ways}))(.)", re.DOTALL)
        self._marked: Callable[[re.Match[str]], str] = lambda found: found[1] + mark

    def text(self, text: str) -> str:
        """`text` with the marks."""
        return self._token.sub(self._marked, text)

    def all(self, value: object) -> Any:
        """A document of JSON in which every text has the marks."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.all(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {self.text(key): self.all(item) for key, item in items}
        return value
