"""Calls that a model writes as plain JSON, without the markers of its own chat template."""

from __future__ import annotations

import re
from typing import NamedTuple

from edge_rt.models.answers.parts import SPACE, MadeCall, Tools, called
from edge_rt.models.answers.values import ObjectSpan

FENCE = "```"
"""What begins and ends a block of code."""

BETWEEN = f"{SPACE},;"
"""Characters that may stand between two calls."""

_JSON_FENCE = f"{FENCE}json"
_FENCE_LINE = re.compile(r"\n[ \t]*`")
_OPENED = re.compile(rf"{FENCE}(?:json)?[{SPACE}]*(?=\{{)")
_NAME = re.compile(r'"([\w./-]{1,128})"')
_NAME_BEGUN = re.compile(r'"[\w./-]{0,128}')
_KEYS = "arguments", "parameters"


class BareCall(NamedTuple):
    """An object that ends at `end`; `call` None: it is no call. `closed`: its fence ends there."""

    end: int
    call: MadeCall | None
    closed: bool = False


class BareCalls:
    """Reads calls like `{"name": "f", "arguments": {}}`, with or without a fence around them."""

    def __init__(self, tools: Tools) -> None:
        self.fenced = False  # whether a fence is open
        self._tools = tools
        self._span = ObjectSpan()

    def begins(self, text: str) -> bool | None:
        """Return whether a call of one of the tools begins here; None for more text."""
        opened = _OPENED.match(text)
        if opened is not None:
            return self._head(text[opened.end() :])
        if text.startswith("`"):
            begun = text.rstrip(SPACE)
            return None if _JSON_FENCE.startswith(begun) else False
        return self._head(text)

    def read(self, text: str, final: bool) -> BareCall | None:
        """Read the object at the start of `text`, of which `begins` is true; None: read on."""
        opened = _OPENED.match(text)
        at = 0 if opened is None else opened.end()
        size = self._span.end(text[at:])
        if size is None:
            return BareCall(0, None) if self._span.fence else None
        end, fenced = at + size, self.fenced or opened is not None
        closed = _closed(text[end:], final) if fenced else 0
        if closed is None:
            return None
        self._span = ObjectSpan()
        self.fenced = fenced and not closed
        found = called(text[at:end], "name", _KEYS)
        call = None if found is None else MadeCall(*found)
        return BareCall(end + closed, call, closed > 0)

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


def _closed(text: str, final: bool) -> int | None:
    """Return where the fence ends that `text` closes; 0: nowhere, as it opens one. None: read on.

    A fence that the end of the answer cuts off is closed there.
    """
    rest = text.lstrip(SPACE)
    if not rest.startswith(FENCE):
        cut = FENCE.startswith(rest)
        return (len(text) if final else None) if cut else 0
    behind = rest[len(FENCE) :].lstrip(" \t")
    if not behind:
        return len(text) if final else None
    return len(text) - len(behind) if behind[0] in BETWEEN else 0


class Behind(NamedTuple):
    """What text behind other text begins with: `used` characters of calls.

    `calls` None: they are content. No calls: one that the end of the answer cuts off.
    """

    used: int
    calls: list[MadeCall] | None


class CallsBehindText:
    """Looks behind other text for calls without markers.

    They end the answer, or fill a fence.
    """

    def __init__(self, tools: Tools, *, anywhere: bool, fences: bool) -> None:
        """`anywhere`: they may begin within a line, as in a format that has no markers.

        `fences`: those in a fence are calls before other text, too.
        """
        self._calls = BareCalls(tools)
        self._begin = re.compile(r"\{|\n[ \t]*`" if anywhere else r"\n[ \t]*[{`]")
        self._fences = fences
        self._made: list[MadeCall] = []
        self._at = 0  # the end of the calls that are made

    def find(self, text: str, *, block: bool) -> int | None:
        """Return where calls may begin, if anywhere; in a `block` of code, where it may end."""
        found = (_FENCE_LINE if block else self._begin).search(text)
        return None if found is None else found.end() - 1

    def read(self, text: str, final: bool) -> Behind | None:
        """Return what `text` begins with; None: read on."""
        while True:
            rest = text[self._at :].lstrip(BETWEEN)
            begins = self._calls.begins(rest) if rest else None
            if begins is None:
                if not final:
                    return None
                return Behind(len(text), self._made) if self._made else Behind(1, None)
            if not begins:
                return Behind(1, None)
            read = self._calls.read(rest, final)
            if read is None:
                return Behind(len(text), self._made) if final else None
            if read.call is None:
                return Behind(1, None)
            self._made.append(read.call)
            self._at = len(text) - len(rest) + read.end
            if read.closed and self._fences and text.startswith(FENCE):
                return Behind(self._at, self._made)
