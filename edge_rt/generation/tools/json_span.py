"""Where a JSON object ends, found while its text comes in pieces."""

from __future__ import annotations


class JsonSpan:
    """Follows one object from its "{" on; the text may be malformed, only brackets count."""

    def __init__(self) -> None:
        self._at = self._depth = 0
        self._end: int | None = None
        self._quoted = self._escaped = False

    def end(self, text: str) -> int | None:
        """The end of the object that `text` begins with; None while it is not complete.

        `text` is that of the last call and what has come since.
        """
        while self._end is None and self._at < len(text):
            self._step(text[self._at])
            self._at += 1
            if self._depth == 0:
                self._end = self._at
        return self._end

    def _step(self, char: str) -> None:
        if self._quoted:
            if self._escaped or char == "\\":
                self._escaped = not self._escaped
            elif char == '"':
                self._quoted = False
        elif char == '"':
            self._quoted = True
        elif char in "{[":
            self._depth += 1
        elif char in "}]":
            self._depth -= 1
