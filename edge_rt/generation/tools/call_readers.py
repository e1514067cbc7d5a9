"""Readers of calls, one for each way to write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol, cast

from typing_extensions import override

from edge_rt.core.chat_format import CallFormat
from edge_rt.generation.tools.parts import (
    END,
    SPACE,
    WAIT,
    JsonSpan,
    MadeCall,
    Step,
    Tools,
    argument,
    arguments_text,
    called,
)

_NAME = re.compile(r"\s*([\w./-]{1,128})")
_LONGEST = 512  # characters of a name with what belongs to it


class CallReader(Protocol):
    """Reads the calls of one answer, from the marker of the first one on."""

    def read(self, text: str, final: bool) -> Step:
        """The next step in `text`, which begins where the last one ended.

        `final`: no more text comes. WAIT where `text` does not tell enough.
        """
        ...


def call_reader(format: CallFormat, tools: Tools) -> CallReader:
    """A reader for calls in that format."""
    if format.style == "json":
        return JsonCalls(format, tools)
    return NamedCalls(format, tools) if format.style == "named" else TaggedCalls(format, tools)


class JsonCalls:
    """Calls that are JSON objects, each between markers or all in one list."""

    def __init__(self, format: CallFormat, tools: Tools) -> None:
        self._format, self._tools = format, tools
        self._closing = format.after.rpartition("}")[2].strip()
        begin = format.begin.strip().removesuffix("[").rstrip()
        end = format.end.strip().removeprefix("]").lstrip()
        words = format.marker, self._closing, begin, end
        self._words = sorted({word for word in words if word}, key=len, reverse=True)
        self._open = not format.marker  # whether an object that begins now is a call
        self._list = False
        self._span = JsonSpan()

    def read(self, text: str, final: bool) -> Step:
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
        self._span = JsonSpan()
        keys = self._format.arguments_key, "arguments", "parameters"
        found = called(rest[:end], self._format.name_key, keys)
        if found is None or (not self._format.marker and found[0] not in self._tools):
            return END
        return Step(at + end, MadeCall(*found))


class NamedCalls:
    """Calls with the name by itself and the arguments as a JSON object."""

    def __init__(self, format: CallFormat, tools: Tools) -> None:
        self._format, self._tools = format, tools
        self._before, self._between = format.before.strip(), format.between.strip()
        self._after, self._end = format.after.strip(), format.end.strip()
        self._words = [word for word in (format.begin.strip(), self._end) if word]
        self._span: tuple[int, JsonSpan] | None = None

    def read(self, text: str, final: bool) -> Step:
        rest = text.lstrip(SPACE)
        at = len(text) - len(rest)
        if rest.startswith(self._before):
            return self._call(rest, at, final)
        for word in self._words:
            if rest.startswith(word):
                return Step(at + len(word), more=word != self._end)
        words = [self._before, *self._words]
        if not final and any(word.startswith(rest) for word in words):
            return WAIT
        return END

    def _call(self, rest: str, at: int, final: bool) -> Step:
        name = _NAME.match(rest, len(self._before))
        start = self._arguments_at(rest)
        if start is None:
            too_long = len(rest) > len(self._before) + _LONGEST
            return END if too_long else WAIT
        if name is None or name.end() > start:
            return END
        read = self._arguments(rest, start, final)
        if read is None:
            return WAIT
        end, arguments = read
        if arguments is None:
            return END
        return Step(at + end, MadeCall(name[1], arguments))

    def _arguments_at(self, rest: str) -> int | None:
        """Return where the arguments begin; None while that is not known."""
        mark = self._between or "{"
        found = rest.find(mark, len(self._before))
        return None if found < 0 else found + len(self._between)

    def _arguments(self, rest: str, start: int, final: bool) -> tuple[int, str | None] | None:
        """Return where the call ends, and its arguments; None: read on."""
        begin = len(rest) - len(rest[start:].lstrip(SPACE))
        if begin >= len(rest):
            return None
        if rest[begin] != "{":
            return self._empty(rest, begin)
        if self._span is None or self._span[0] != begin:
            self._span = begin, JsonSpan()
        end = self._span[1].end(rest[begin:])
        if end is None:
            return None
        closed = self._closed(rest, begin + end, final)
        if closed is None:
            return None
        self._span = None
        try:
            found = json.loads(rest[begin : begin + end], strict=False)
        except (ValueError, RecursionError):
            return closed, None
        return closed, arguments_text(found)

    def _empty(self, rest: str, begin: int) -> tuple[int, str | None] | None:
        """Return what `_arguments` does for a call without arguments."""
        if self._after and rest.startswith(self._after, begin):
            return begin + len(self._after), "{}"
        return begin, None

    def _closed(self, rest: str, end: int, final: bool) -> int | None:
        """Return where the text after the arguments ends; None: read on."""
        tail = rest[end:].lstrip(SPACE)
        if not self._after:
            return end
        if tail.startswith(self._after):
            return len(rest) - len(tail) + len(self._after)
        return None if self._after.startswith(tail) and not final else end


class TaggedCalls(NamedCalls):
    """Calls with each argument between markers."""

    def __init__(self, format: CallFormat, tools: Tools) -> None:
        super().__init__(format, tools)
        self._key_begin, self._key_end = format.key_begin.strip(), format.key_end.strip()
        self._value_end = format.value_end.strip()

    @override
    def _arguments_at(self, rest: str) -> int | None:
        """The place behind the name."""
        begin = len(self._before)
        marks = [mark for mark in (self._between, self._key_begin, self._after) if mark]
        found = [at for mark in marks if (at := rest.find(mark, begin)) >= 0]
        if not found:
            return None
        at = min(found)
        between = self._between and rest.startswith(self._between, at)
        return at + len(self._between) if between else at

    @override
    def _arguments(self, rest: str, start: int, final: bool) -> tuple[int, str | None] | None:
        name = _NAME.match(rest, len(self._before))
        kinds = _kinds(self._tools, name[1] if name else "")
        values: dict[str, object] = {}
        at = start
        while True:
            at = len(rest) - len(rest[at:].lstrip(SPACE))
            if rest.startswith(self._after, at):
                return at + len(self._after), arguments_text(values)
            if not rest.startswith(self._key_begin, at):
                return self._unfinished(rest, at)
            read = self._pair(rest, at, final)
            if read is None:
                return None
            key, text, at = read
            values[key] = argument(text, kinds.get(key))

    def _unfinished(self, rest: str, at: int) -> tuple[int, None] | None:
        tail = rest[at:]
        waits = self._after.startswith(tail) or self._key_begin.startswith(tail)
        return None if waits else (at, None)

    def _pair(self, rest: str, at: int, final: bool) -> tuple[str, str, int] | None:
        """A key, its value and where they end; None for more text."""
        begin = at + len(self._key_begin)
        middle = rest.find(self._key_end, begin)
        if middle < 0:
            return None
        start = middle + len(self._key_end)
        end = self._value_at(rest, start, final)
        if end is None:
            return None
        text = _unlined(rest[start:end], self._format)
        return rest[begin:middle].strip(), text, end + len(self._value_end)

    def _value_at(self, rest: str, start: int, final: bool) -> int | None:
        """Where a value ends that begins at `start`: its end marker may be part of it."""
        end = rest.find(self._value_end, start)
        while end >= 0:
            tail = rest[end + len(self._value_end) :].lstrip(SPACE)
            if tail.startswith((self._key_begin, self._after)):
                return end
            waits = self._key_begin.startswith(tail) or self._after.startswith(tail)
            if waits and not final:
                return None
            end = rest.find(self._value_end, end + 1)
        return None


def _kinds(tools: Tools, name: str) -> Mapping[str, Any]:
    """The schemas of a tool's arguments."""
    schema = tools.get(name)
    found: object = None if schema is None else schema.get("properties")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _unlined(text: str, format: CallFormat) -> str:
    """A value without the line ends that belong to its markers."""
    if format.key_end.endswith("\n"):
        text = text.removeprefix("\n")
    return text.removesuffix("\n") if format.value_end.startswith("\n") else text
