"""Calls that a model writes as plain JSON, without the markers of its own chat template."""

from __future__ import annotations

import re

from edge_rt.generation.tools.parts import SPACE, JsonSpan, MadeCall, Tools, called

_FENCE = "```json"
_OPENED = re.compile(r"```(?:json)?\s*(?=\{)")
_CLOSED = re.compile(r"\s*```")
_NAME = re.compile(r'"([\w./-]{1,128})"')
_NAME_BEGUN = re.compile(r'"[\w./-]{0,128}')
_KEYS = "arguments", "parameters"
_BETWEEN = f"{SPACE},;"  # characters between two calls


class BareCalls:
    """Reads calls like `{"name": "f", "arguments": {}}`, with or without a fence around them."""

    def __init__(self, tools: Tools) -> None:
        self.fenced = False  # whether a fence is open
        self._tools = tools
        self._span = JsonSpan()

    def begins(self, text: str) -> bool | None:
        """Whether a call of one of the tools begins here; None for more text."""
        opened = _OPENED.match(text)
        if opened is not None:
            return self._head(text[opened.end() :])
        if text.startswith("`"):
            begun = text.rstrip(SPACE)
            return None if _FENCE.startswith(begun) else False
        return self._head(text)

    def read(self, text: str, final: bool) -> tuple[int, MadeCall | None] | None:
        """Return where the call at the start of `text` ends, and the call; None: read on."""
        opened = _OPENED.match(text)
        at = 0 if opened is None else opened.end()
        end = self._span.end(text[at:])
        if end is None:
            return None
        end += at
        fenced = opened is not None or self.fenced
        closed = _CLOSED.match(text, end) if fenced else None
        if fenced and not closed and not final and "```".startswith(text[end:].lstrip(SPACE)):
            return None
        self._span = JsonSpan()
        self.fenced = fenced and closed is None
        found = called(text[at:end], "name", _KEYS)
        end = end if closed is None else closed.end()
        return end, None if found is None else MadeCall(*found)

    def _head(self, text: str) -> bool | None:
        for piece in ("{", '"name"', ":", None, ",", _KEYS, ":", "{"):
            text = text.lstrip(SPACE)
            if not text:
                return None
            size = self._size(text, piece)
            if not size:
                return size if size is None else False
            text = text[size:]
        return True

    def _size(self, text: str, piece: str | tuple[str, ...] | None) -> int | None:
        """Return the length of `piece` at the start of `text`, 0 for another one; None: read on.

        The piece None is a tool's name.
        """
        if piece is None:
            name = _NAME.match(text)
            if name is None:
                return None if _NAME_BEGUN.fullmatch(text) else 0
            return name.end() if name[1] in self._tools else 0
        words = [piece] if isinstance(piece, str) else [f'"{word}"' for word in piece]
        for word in words:
            if text.startswith(word):
                return len(word)
        return None if any(word.startswith(text) for word in words) else 0


class CallsBehindText:
    """Looks behind other text for calls without markers: in a fence of their own, or without one
    at the end of the answer.
    """

    def __init__(self, tools: Tools, *, anywhere: bool) -> None:
        """`anywhere`: they may begin within a line, as in a format that has no markers."""
        self._calls = BareCalls(tools)
        self._begin = re.compile(r"[{`]" if anywhere else r"\n[ \t]*[{`]")
        self._made: list[MadeCall] = []
        self._at = 0  # the end of the calls that are made

    def find(self, text: str) -> int | None:
        """Return where calls may begin, if anywhere."""
        found = self._begin.search(text)
        return None if found is None else found.end() - 1

    def read(self, text: str, final: bool) -> tuple[int, list[MadeCall] | None] | None:
        """Return how much of `text` is read, and the calls in it, or None where it is content.

        None alone: read on. A call that `final` text cuts off is no content either.
        """
        while True:
            rest = text[self._at :].lstrip(_BETWEEN)
            at = len(text) - len(rest)
            begins = self._calls.begins(rest) if rest else None
            if begins is None:
                return (len(text), self._made or None) if final else None
            read = self._calls.read(rest, final) if begins else (0, None)
            if read is None:
                return (len(text), self._made) if final else None
            end, call = read
            if call is None:
                return max(at, 1), None
            self._made.append(call)
            self._at = at + end
            if text[: self._at].endswith("`") and not self._calls.fenced:
                return self._at, self._made
