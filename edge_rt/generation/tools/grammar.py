"""The grammar of answers that may hold tool calls, in llguidance's dialect of Lark.

Text before a call is free. From the marker of the first call on, the answer is the calls, by the
model's own format and by the JSON schema of each tool, so that reading them back cannot fail. See
https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple, cast

from edge_rt.core.chat_format import NUMBER, ChatFormat
from edge_rt.generation.tools.literals import LiteralRules
from edge_rt.generation.tools.schemas import closed
from edge_rt.models.answers.parts import Tools, kinds_of

_BLANKS = r"[ \t\r\n]"
_DIGITS = "/[0-9]{1,4}/"
_SPACES = "/[ \\n]{1,4}/"
_TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
_WRITTEN = {  # as templates print JSON, and so as models have learnt it
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
}


class CallRules(NamedTuple):
    """What calls an answer is to have."""

    tools: Tools  # that may be called
    required: bool = False  # whether the answer is calls, and no text
    parallel: bool = True  # whether there may be several
    strict: Collection[str] = ()  # tools whose schema must be enforced to the last keyword


class FreeText(NamedTuple):
    """Text that is JSON by a schema; `lenient`: keywords that cannot be enforced are ignored."""

    schema: Mapping[str, Any]
    lenient: bool = False


def grammar(
    format: ChatFormat,
    rules: CallRules | None,
    *,
    opened: bool = False,
    free: FreeText | None = None,
) -> str:
    """Return the grammar of an answer with thoughts, if the model has any, and then calls or text.

    `rules` None: without calls. `opened`: the prompt began the thoughts. `free` None: any text.
    """
    found = _Grammar(format, rules or CallRules({}))
    return "\n".join(found.lines(opened=opened, free=free))


class _Grammar:
    def __init__(self, format: ChatFormat, rules: CallRules) -> None:
        self._format, self._rules, self._calls = format, rules, format.calls
        self._opening = self._calls.opening.lstrip()
        space = self._calls.opening[: -len(self._opening)]
        self._space = f"({_quoted(space)})?" if space.isspace() else ""
        tokens = sorted(filter(None, format.control), key=len, reverse=True)
        self._control = re.compile(f"({'|'.join(map(re.escape, (*tokens, NUMBER)))})")
        self._literals = LiteralRules(self._calls, self._up_to)

    def lines(self, *, opened: bool, free: FreeText | None) -> Iterator[str]:
        yield "%llguidance {}"
        if self._format.channels:
            yield from self._channels(opened=opened, free=free)
            return
        thoughts = self._format.thinking is not None
        yield f"start: {'thoughts ' if opened else 'thoughts? ' if thoughts else ''}answer"
        yield "TEXT: /(.|\\n)*/"
        if thoughts:
            yield from self._thoughts(opened=opened)
        text = "TEXT" if free is None else _json(free.schema, lenient=free.lenient)
        yield f"free: {self._wrapped(text)}"
        if not self._rules.tools:
            yield "answer: free"
            return
        yield from self._answer(only_json=free is not None)
        yield from self._sequence()
        for index, (name, schema) in enumerate(self._rules.tools.items()):
            yield from self._tool(index, name, schema)

    def _channels(self, *, opened: bool, free: FreeText | None) -> Iterator[str]:
        """Yield rules of messages: thoughts, then text before calls, then calls or more text."""
        ways = [] if self._rules.required else [self._message("final", "free")]
        for index, (name, schema) in enumerate(self._rules.tools.items()):
            heads = f"{self._channel('commentary')} {_quoted(f' to=functions.{name}')}"
            heads = f"({_quoted(f' to=functions.{name}')} {self._channel('commentary')} | {heads})"
            kind = f"{self._literal(' <|constrain|>json')} | {_quoted(' json')}"
            lenient = name not in self._rules.strict
            yield f"tool_{index}: {heads} ({kind}) {self._literal('<|message|>')} object_{index}"
            yield f"object_{index}: {_json(closed(schema), lenient=lenient)}"
            ways.append(f"tool_{index}")
        thoughts = f"({self._message('analysis', 'thought')})*" if self._format.thinking else ""
        said = f"({self._message('commentary', 'thought')})?"
        yield f"start: {'thought' if opened else ''} {thoughts} {said} ({' | '.join(ways)})"
        yield "TEXT: /(.|\\n)*/"
        yield f"free: {'TEXT' if free is None else _json(free.schema, lenient=free.lenient)}"
        yield from self._up_to("thought", "<|end|><|start|>assistant")

    def _channel(self, name: str) -> str:
        return self._literal(f"<|channel|>{name}")

    def _message(self, channel: str, text: str) -> str:
        return f"{self._channel(channel)} {self._literal('<|message|>')} {text}"

    def _thoughts(self, *, opened: bool) -> Iterator[str]:
        thinking = self._format.thinking
        assert thinking is not None
        begin = "" if opened else self._literal(thinking.begin)
        yield from self._up_to("thought", thinking.end)
        yield f"thoughts: {begin} thought ({_SPACES})?"

    def _wrapped(self, text: str) -> str:
        """Return `text` between the markers that stand around plain text."""
        if not self._format.wrapping:
            return text
        begin, end = map(self._literal, self._format.wrapping[:2])
        return f"({begin})? {text} ({end})?"

    def _answer(self, *, only_json: bool) -> Iterator[str]:
        if self._rules.required or only_json:
            other = "" if self._rules.required else "free | "
            yield f"answer: {other}{self._space} {self._literal(self._opening)} calls"
        elif not self._calls.marker:
            yield from self._unmarked()
        else:
            first = self._pieces(self._opening)[0]
            trigger = first if self._is_control(first) else first[: len(self._calls.marker)]
            bare = " | bare" if self._calls.style == "json" else ""
            yield f"answer: free | before_calls calls{bare}"
            if bare:
                yield from self._bare()
            yield from self._up_to("marked", trigger)
            yield f"before_calls: marked {self._literal(self._opening[len(trigger) :])}"

    def _bare(self) -> Iterator[str]:
        """Yield the rules of calls in plain JSON at the begin of the answer, see bare_calls.py.

        Some models write them against their template. Behind text they are free: to look for them
        there would cost time for each token.
        """
        ways = " | ".join(f"head_{i} BLANK? wide_{i}" for i in range(len(self._rules.tools)))
        yield f"bare: ({ways}) CLOSE {'answer' if self._rules.parallel else 'LAST?'}"
        yield f"BLANK: /{_BLANKS}{{1,32}}/"
        yield f"CLOSE: /{_BLANKS}{{0,32}}\\}}/"
        yield "LAST: /[ \\t\\r\\n`]{1,32}/"
        for i, (name, schema) in enumerate(self._rules.tools.items()):
            lenient = name not in self._rules.strict
            yield f"head_{i}[lazy]: /{_bare_head(name)}/"
            yield f"wide_{i}: {_json(closed(schema), lenient=lenient, wide=True)}"

    def _unmarked(self) -> Iterator[str]:
        """Yield an answer that begins as a call does is one.

        Behind text, all that stands before the arguments tells a call, since an object with a name
        may be anything.
        """
        if self._calls.style == "literal":  # which is read at the begin alone
            yield f"answer: OTHER | {self._literal(self._opening)} calls"
            yield f"OTHER: /[^ \\n{re.escape(self._opening[0])}](.|\\n)*/"
            return
        tools = range(len(self._rules.tools))
        ways = "".join(f" | said_{i} arguments_{i} {self._rest()}" for i in tools)
        yield f"answer: OTHER | {self._literal(self._opening)} calls{ways}"
        yield "OTHER: /[^ \\n{](.|\\n)*/"
        for i, name in enumerate(self._rules.tools):
            yield f"said_{i}[lazy]: OTHER {_quoted(self._opening + name + self._calls.between)}"

    def _sequence(self) -> Iterator[str]:
        yield f"calls: call {self._rest()}"
        names = " | ".join(f"tool_{i}" for i in range(len(self._rules.tools)))
        yield f"call: {names}"
        if self._calls.style == "tagged":
            yield from self._up_to("text_value", self._calls.value_end)
        elif self._calls.style == "literal":
            yield from self._literals.shared()

    def _rest(self) -> str:
        """Return what may follow the arguments of the first call."""
        calls, more = self._calls, ""
        if self._rules.parallel and calls.separator is not None:
            more = f"({self._literal(calls.separator + calls.before)} call)*"
        wrapping = self._format.wrapping
        ended = f"({self._literal(wrapping[-1])})?" if wrapping else ""
        return f"{more} {self._literal(calls.end)} {ended}"

    def _tool(self, index: int, name: str, schema: Mapping[str, Any]) -> Iterator[str]:
        lenient = name not in self._rules.strict
        head = f"{_quoted(name)} {self._literal(self._calls.between)}"
        yield f"tool_{index}: {head} arguments_{index}"
        after = self._literal(self._calls.after)
        if self._calls.style == "literal":
            yield f"arguments_{index}: object_{index} {after}"
            yield from self._literals.arguments(f"object_{index}", schema)
            return
        if self._calls.style != "tagged":
            yield f"arguments_{index}: object_{index} {after}"
            yield f"object_{index}: {_json(closed(schema), lenient=lenient)}"
            return
        properties = cast("dict[str, Any]", schema.get("properties") or {})
        needed = schema.get("required") or ()
        pairs = [f"pair_{index}_{i}{'?' * (key not in needed)}" for i, key in enumerate(properties)]
        yield f"arguments_{index}: {' '.join(pairs)} {after}"
        shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        for i, (key, kind) in enumerate(properties.items()):
            calls = self._calls
            begin = f"{self._literal(calls.key_begin)} {_quoted(key)}"
            yield f"pair_{index}_{i}: {begin} ({self._value(kind, shared, lenient=lenient)})"

    def _value(self, kind: object, shared: Mapping[str, Any], *, lenient: bool) -> str:
        """Return the rest of an argument behind its key, where texts stand without quotes."""
        schema = cast("dict[str, Any]", kind) if isinstance(kind, dict) else {}
        calls, words, kinds = self._calls, schema.get("enum"), kinds_of(schema)
        middle, end = self._literal(calls.key_end), self._literal(calls.value_end)
        if words and all(isinstance(word, str) for word in words):
            return f"{middle} ({' | '.join(map(_quoted, words))}) {end}"
        told = {**shared, **schema}
        if calls.key_ends:
            ways = [self._typed(kind, told, lenient=lenient) for kind in sorted(kinds or _TYPES)]
            return " | ".join(ways)
        if "string" in (kinds or ()):
            return f"{middle} text_value"
        return f"{middle} {_json(told, lenient=lenient)} {end}"

    def _typed(self, kind: str, schema: dict[str, Any], *, lenient: bool) -> str:
        """Return a value of one type, before which its name stands."""
        calls = self._calls
        if kind == "string":
            return f"{self._literal(calls.key_end)} text_value"
        middle = calls.key_ends.get("number" if kind == "integer" else kind, calls.key_end)
        value = _json({**schema, "type": kind} if kind in _TYPES else schema, lenient=lenient)
        return f"{self._literal(middle)} {value} {self._literal(calls.value_end)}"

    def _up_to(self, name: str, end: str) -> Iterator[str]:
        """Yield the rule `name`: any text with the first `end` behind it."""
        first = self._pieces(end)[0]
        rest = self._literal(end[len(first) :])
        if self._is_control(first):
            yield f"{name}: TEXT {self._literal(first)} {rest}"
        else:
            yield f"{name}_text[lazy]: TEXT {_quoted(first)}"
            yield f"{name}: {name}_text {rest}"

    def _literal(self, text: str) -> str:
        """Return the text itself; control tokens by their names."""
        pieces = self._pieces(text)
        return " ".join(self._piece(piece) for piece in pieces if piece)

    def _piece(self, piece: str) -> str:
        if piece == NUMBER:
            return _DIGITS
        return token_name(piece) if self._is_control(piece) else _quoted(piece)

    def _pieces(self, text: str) -> list[str]:
        return [piece for piece in self._control.split(text) if piece] or [text]

    def _is_control(self, piece: str) -> bool:
        return self._control.fullmatch(piece) is not None


def _bare_head(name: str) -> str:
    """Return an expression for what stands before the arguments of a call in plain JSON.

    It may close the fence of another one.
    """
    pieces = r"\{", '"name"', ":", f'"{re.escape(name)}"', ",", '"(arguments|parameters)"', ":"
    head = f"{_BLANKS}*".join(piece.replace("/", r"\/") for piece in pieces)
    return f"{_BLANKS}*(```{_BLANKS}*)?(```(json)?{_BLANKS}*)?{head}"


def _json(schema: Mapping[str, Any], *, lenient: bool, wide: bool = False) -> str:
    """`wide`: with any space between its parts."""
    written = {"whitespace_pattern": f"{_BLANKS}{{1,32}}"} if wide else _WRITTEN
    options = {**written, "lenient": lenient}
    return f"%json {json.dumps({**schema, 'x-guidance': options}, ensure_ascii=False)}"


def token_name(name: str) -> str:
    """Return a control token by its name, which need not have angle brackets."""
    return name if name.startswith("<") and name.endswith(">") else f"<{name}>"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
