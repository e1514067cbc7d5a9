"""Readers of calls, one for each way to write them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from typing_extensions import override

from edge_rt.core.chat_format import NUMBER, CallFormat
from edge_rt.models.answers.parts import (
    END,
    SPACE,
    WAIT,
    MadeCall,
    Step,
    Tools,
    argument,
    arguments_text,
    called,
)
from edge_rt.models.answers.values import JSON, ObjectSpan, literal

_NAME = re.compile(r"\s*([\w./-]{1,128})")
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_TEXT = {"type": "string"}
_BLANK, _DIGITS = r"\s*", r"\s*\d+\s*"
_LONGEST = 512  # characters of a name with what belongs to it, and of a marker


class JsonCalls:
    """Calls that are JSON objects, each between markers or all in one list."""

    def __init__(self, format: CallFormat, tools: Tools) -> None:
        self.named = False  # the name of a tool tells no call without a marker
        self._format, self._tools = format, tools
        self._closing = format.after.rpartition("}")[2].strip()
        begin = format.begin.strip().removesuffix("[").rstrip()
        end = format.end.strip().removeprefix("]").lstrip()
        words = format.marker, self._closing, begin, end
        self._words = sorted({word for word in words if word}, key=len, reverse=True)
        self._open = not format.marker  # whether an object that begins now is a call
        self._list = False
        self._span = ObjectSpan()

    def read(self, text: str, final: bool) -> Step:
        """Return the next step in `text`, which begins where the last one ended.

        `final`: no more text comes. WAIT where `text` does not tell enough.
        """
        rest = text.lstrip(SPACE + ",;")
        at = len(text) - len(rest)
        if not rest:
            return END if final else WAIT
        for word in self._words:
            if rest.startswith(word):
                self._open = word != self._closing or not self._format.marker
                return Step(at + len(word))
        if not final and any(word.startswith(rest) for word in self._words):
            return WAIT
        if rest[0] in "[]" and self._open and self._list == (rest[0] == "]"):
            self._list = not self._list
            return Step(at + 1)
        return self._object(rest, at) if rest[0] == "{" and self._open else END

    def _object(self, rest: str, at: int) -> Step:
        end = self._span.end(rest)
        if end is None:
            return WAIT
        self._span = ObjectSpan()
        keys = self._format.arguments_key, "arguments", "parameters"
        found = called(rest[:end], self._format.name_key, keys)
        if found is None or (not self._format.marker and found[0] not in self._tools):
            return END
        return Step(at + end, MadeCall(*found))


class _Arguments(NamedTuple):
    """Where a call ends, and its arguments; `text` None: they are none."""

    end: int
    text: str | None


class _Mark:
    """A text of a format: the space in it may differ, and a number may stand in it."""

    def __init__(self, text: str, *, short: bool = False) -> None:
        """With `short` only the last tag of the text has to be there."""
        spaced = re.sub("(?<=>)(?=<)", " ", text.strip())
        pieces = re.split(rf"(\s+|{NUMBER})", spaced)
        ways = [_BLANK if p.isspace() else _DIGITS if p == NUMBER else re.escape(p) for p in pieces]
        self.expression = re.sub(r"(?:\\s\*)+", lambda _: _BLANK, "".join(ways))
        head, tag, last = self.expression.rpartition("<")
        if short and head:
            self.expression = f"(?:{head})?{tag}{last}"
        self._pattern = re.compile(self.expression)
        self._solid = "".join(text.split())
        self.is_empty = not self._solid

    def end(self, text: str, at: int = 0) -> int | None:
        """Return where it ends that begins at `at`; None where it does not."""
        found = self._pattern.match(text, at)
        return None if found is None else found.end()

    def find(self, text: str, at: int) -> re.Match[str] | None:
        """Return the first one from `at` on."""
        return self._pattern.search(text, at)

    def may_begin(self, text: str) -> bool:
        """Return whether `text` may be cut within it."""
        return self._solid.startswith("".join(text[:_LONGEST].split()))


class NamedCalls:
    """Calls with the name by itself and the arguments as one object behind it."""

    def __init__(self, format: CallFormat, tools: Tools) -> None:
        self.named = False  # whether a tool's was read, which tells a call without a marker
        self._format, self._tools = format, tools
        self._before = _Mark(format.before, short=bool(format.short_marker))
        self._after, self._between = _Mark(format.after), _Mark(format.between)
        self._end, self._begin = _Mark(format.end), _Mark(format.begin)
        self._separator = _Mark(format.separator or "")
        self._literal = format.style == "literal"
        self._bracket = format.brackets[0] if self._literal else "{"
        self._begun = False  # whether what stands around all calls has begun
        self._span: tuple[int, ObjectSpan] | None = None

    def read(self, text: str, final: bool) -> Step:
        """See `JsonCalls.read`."""
        rest = text.lstrip(SPACE)
        at = len(text) - len(rest)
        marks = [self._separator, self._end] if self._begun else [self._begin]
        marks = [mark for mark in marks if not mark.is_empty]
        for mark in marks:
            if (end := mark.end(rest)) is not None:
                self._begun = True
                return Step(at + end, more=mark is not self._end)
        if not final and any(mark.may_begin(rest) for mark in marks):
            return WAIT
        named = self._before.end(rest)
        if named is None or not rest:
            return WAIT if self._before.may_begin(rest) and not final else END
        self._begun = True
        return self._call(rest, named, at, final)

    def _call(self, rest: str, named: int, at: int, final: bool) -> Step:
        name = _NAME.match(rest, named)
        start = self._arguments_at(rest, named if name is None else name.end())
        if start is None:
            return END if len(rest) > named + _LONGEST else WAIT
        if name is None or name.end() > start:
            return END
        if not self._format.marker and name[1] not in self._tools:  # nothing else tells a call
            return END
        self.named = rest.startswith(self._bracket, start) and name[1] in self._tools
        read = self._arguments(rest, name[1], start, final)
        if read is None:
            return WAIT
        if read.text is None:
            return END
        return Step(at + read.end, MadeCall(name[1], read.text))

    def _arguments_at(self, rest: str, named: int) -> int | None:
        """Return where the arguments begin behind the name; None while that is not known."""
        if self._literal:
            return named if rest[named:].strip(SPACE) else None
        found = self._between.find(rest, named)
        if found is not None and self._between.is_empty:
            begin = rest.find(self._bracket, named)
            return None if begin < 0 else begin
        return None if found is None else found.end()

    def _arguments(self, rest: str, name: str, start: int, final: bool) -> _Arguments | None:
        """Return None for more text."""
        begin = _solid_at(rest, start)
        if begin >= len(rest):
            return None
        if rest[begin] != self._bracket:
            end = None if self._literal or self._after.is_empty else self._after.end(rest, begin)
            return _Arguments(begin, None) if end is None else _Arguments(end, "{}")
        if self._span is None or self._span[0] != begin:
            self._span = begin, ObjectSpan(self._format.quote if self._literal else JSON)
        size = self._span[1].end(rest[begin:])
        end = None if size is None else self._closed(rest, begin + size, final)
        if size is None or end is None:
            return None
        self._span = None
        try:
            return _Arguments(end, arguments_text(self._object(rest[begin : begin + size])))
        except (ValueError, RecursionError):
            return _Arguments(end, None)

    def _object(self, text: str) -> object:
        if self._literal:
            return literal(text, self._format.quote, self._format.equals)
        return json.loads(text, strict=False)

    def _closed(self, rest: str, end: int, final: bool) -> int | None:
        """Return where the text after the arguments ends; None: read on."""
        if self._after.is_empty:
            return end
        found = self._after.end(rest, _solid_at(rest, end))
        if found is None:
            return None if self._after.may_begin(rest[end:]) and not final else end
        return found


@dataclass
class _Pairs:
    """How far the arguments of a call are read, whose text begins where it did before."""

    start: int
    at: int  # where the next argument begins
    searched: int = 0  # before this no marker ends its value
    values: dict[str, object] = field(default_factory=dict[str, object])


class TaggedCalls(NamedCalls):
    """Calls with each argument between markers."""

    def __init__(self, format: CallFormat, tools: Tools) -> None:
        super().__init__(format, tools)
        self._key_begin, self._value_end = _Mark(format.key_begin), _Mark(format.value_end)
        ends = sorted({format.key_end, *format.key_ends.values()}, key=len, reverse=True)
        self._key_end = re.compile("|".join(_Mark(end).expression for end in ends))
        self._text_end = _Mark(format.key_end)
        between = format.between.strip()
        self._alone = _Mark(f"{between[:-1]}/>") if between.endswith(">") else None
        self._pairs: _Pairs | None = None

    @override
    def _call(self, rest: str, named: int, at: int, final: bool) -> Step:
        name = _NAME.match(rest, named)
        if name is not None and self._alone is not None:  # `<invoke name="f"/>`
            end = self._alone.end(rest, name.end())
            if end is not None:
                return Step(at + end, MadeCall(name[1], "{}"))
        return super()._call(rest, named, at, final)

    @override
    def _arguments_at(self, rest: str, named: int) -> int | None:
        """Return the place behind the name."""
        if self._pairs is not None:
            return self._pairs.start
        marks = [mark for mark in (self._key_begin, self._after) if not mark.is_empty]
        between = [] if self._between.is_empty else [self._between]
        found = [match for mark in (*between, *marks) if (match := mark.find(rest, named))]
        if not found:
            return None
        first = min(found, key=lambda match: match.start())
        return (
            first.end()
            if between and first.re.pattern == self._between.expression
            else (first.start())
        )

    @override
    def _arguments(self, rest: str, name: str, start: int, final: bool) -> _Arguments | None:
        pairs = self._pairs or _Pairs(start, start)
        read = self._read_on(rest, pairs, final, _kinds(self._tools, name))
        self._pairs = pairs if read is None else None
        return read

    def _read_on(
        self, rest: str, pairs: _Pairs, final: bool, kinds: Mapping[str, Any]
    ) -> _Arguments | None:
        while True:
            at = _solid_at(rest, pairs.at)
            if (end := self._after.end(rest, at)) is not None:
                return _Arguments(end, arguments_text(pairs.values))
            begin = self._key_begin.end(rest, at)
            if begin is None:
                tail = rest[at:]
                waits = self._after.may_begin(tail) or self._key_begin.may_begin(tail)
                return None if waits else _Arguments(at, None)
            if not self._pair(rest, begin, pairs, final, kinds):
                return None

    def _pair(
        self, rest: str, begin: int, pairs: _Pairs, final: bool, kinds: Mapping[str, Any]
    ) -> bool:
        """Read a key and its value; return False for more text."""
        middle = self._key_end.search(rest, begin)
        if middle is None:
            return False
        key = rest[begin : middle.start()].strip()
        key = key if key in kinds else html.unescape(key)
        found = self._value(rest, middle.end(), pairs, final, [one for one in kinds if one != key])
        if found is None:
            return False
        text, pairs.at = found
        text, told = _unlined(text, self._format), kinds.get(key)
        if self._format.key_ends:
            is_text = self._text_end.end(middle[0]) == len(middle[0])
            told = _TEXT if is_text else {"type": "other"}
        if text.startswith(_CDATA) and text.endswith(_CDATA_END):
            text, told = text[len(_CDATA) : -len(_CDATA_END)], _TEXT
        pairs.values[key] = argument(text, told)
        return True

    def _value(
        self, rest: str, start: int, pairs: _Pairs, final: bool, others: Iterable[str]
    ) -> tuple[str, int] | None:
        """Return the value that begins at `start`, and where its end marker ends.

        It may hold that marker, too. Without one, a line that begins another argument ends it, and
        the end of the call.
        """
        found = self._value_end.find(rest, max(start, pairs.searched))
        while found is not None:
            tail = rest[found.end() :].lstrip(SPACE)
            if self._key_begin.end(tail) is not None or self._after.end(tail) is not None:
                return self._cut(rest, start, found, others)
            waits = self._key_begin.may_begin(tail) or self._after.may_begin(tail)
            if waits and not final:
                pairs.searched = found.start()
                return None
            found = self._value_end.find(rest, found.start() + 1)
        pairs.searched = max(pairs.searched, len(rest) - _LONGEST)
        end = self._after.find(rest, start) if final else None
        return None if end is None else (rest[start : end.start()], end.start())

    def _cut(
        self, rest: str, start: int, found: re.Match[str], others: Iterable[str]
    ) -> tuple[str, int]:
        """Return the value up to `found`, or up to a line that begins another argument."""
        text = rest[start : found.start()]
        names = "|".join(map(re.escape, others))
        key_begin, key_end = self._key_begin.expression, self._key_end.pattern
        begun = re.search(rf"\n({key_begin}(?:{names})(?:{key_end}))", text) if names else None
        if begun is None:
            return text, found.end()
        return text[: begun.start(1)], start + begun.start(1)


def _solid_at(text: str, at: int) -> int:
    """Return where the space at `at` ends."""
    return len(text) - len(text[at:].lstrip(SPACE))


def _kinds(tools: Tools, name: str) -> Mapping[str, Any]:
    """Return the schemas of a tool's arguments."""
    schema = tools.get(name)
    found: object = None if schema is None else schema.get("properties")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _unlined(text: str, format: CallFormat) -> str:
    """Return a value without the line ends that belong to its markers."""
    if format.key_end.endswith("\n"):
        text = text.removeprefix("\n")
    return text.removesuffix("\n") if format.value_end.startswith("\n") else text


CallReader = JsonCalls | NamedCalls
"""Reads the calls of one answer, from the marker of the first one on."""


def call_reader(format: CallFormat, tools: Tools) -> CallReader:
    """Return a reader for calls in that format."""
    if format.style == "json":
        return JsonCalls(format, tools)
    return TaggedCalls(format, tools) if format.style == "tagged" else NamedCalls(format, tools)
