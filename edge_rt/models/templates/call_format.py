"""The format of a model's tool calls, learnt by rendering its chat template.

The template is rendered with an answer in words, with one call and with two; the text that differs
is taken apart at the names and arguments, which are known. llama.cpp learns formats by the same
comparison (https://github.com/ggml-org/llama.cpp/blob/master/docs/autoparser.md). A format counts
only if calls that it is hard to write read back as they were.
"""

from __future__ import annotations

import json
import re
from itertools import takewhile
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from edge_rt.core.chat_format import NUMBER, CallFormat, ChatFormat
from edge_rt.models.answers.parts import Content, MadeCall
from edge_rt.models.answers.reader import answer_reader
from edge_rt.models.templates.chat_template import (
    FIRST,
    LONG,
    SECOND,
    ChatTemplate,
    ProbeCall,
    TemplateProbe,
)

_OPEN = re.compile(r"[<\[][^<>\[\]\s]*\Z")  # a marker that is not closed
_WORD_MARKER = re.compile(r"\w<[^<>\s]+>")
_CLOSING = re.compile(r"\A[^<>\[\]\s]*[>\]]")
_ID = r"zqid0000\d"
_IDS = re.compile(  # a call's id as a key of JSON or behind a marker; models need write none
    rf'"\w+":\s*"{_ID}",\s*|,?\s*"\w+":\s*"{_ID}"|[<\[][^<>\[\]\s]*[>\]]{_ID}'
)
_TURN_END = re.compile(r"<\|(?:eom|eot|im_end|end|eos|call)[^<>\s]*\|>\s*\Z")
_NO_TAG = re.compile(r"['\\{}]|\A\s*\Z")  # what is written like this is no argument in markers
_NUMBER = re.compile(r"\d+")
_TYPED: dict[str, object] = {  # a value of each JSON type but "string"
    "number": 7654321,
    "boolean": True,
    "null": None,
    "array": ["zqvalue"],
    "object": {"zqvalue": 1},
}


def common_begin(one: str, other: str) -> str:
    """Return the longest text that both begin with and that ends in no marker."""
    return _OPEN.sub("", _shared(one, other))


def common_end(one: str, other: str) -> str:
    """Return the longest text that both end with and that begins in no marker."""
    end = _shared(one[::-1], other[::-1])[::-1]
    if end in (one, other):
        return end
    if _WORD_MARKER.match(one, len(one) - len(end) - 1) and _WORD_MARKER.match(
        other, len(other) - len(end) - 1
    ):
        end = end.partition(">")[2]  # `<|close|>tools<|sep|>` is one marker
    cut = _OPEN.search(one[: len(one) - len(end)])
    return _CLOSING.sub("", end, count=1) if cut else end


def inserted(one: str, other: str) -> str:
    """Return the part of `one` between what both begin and end with."""
    begin = common_begin(one, other)
    end = common_end(one[len(begin) :], other[len(begin) :])
    return one[len(begin) : len(one) - len(end)]


def _shared(one: str, other: str) -> str:
    pairs = zip(one, other, strict=False)
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class _Arguments(NamedTuple):
    """Where arguments stand in a text, and the fields of a format that say how they are written."""

    begin: int
    end: int
    fields: dict[str, Any] = {}  # noqa: RUF012 (is not changed)


def find_calls(chat: ChatTemplate) -> tuple[CallFormat | None, bool]:
    """Return the format of calls, None where none reads back, and whether prompts show calls."""
    shown = False
    for as_text in (False, True):
        probe = TemplateProbe(chat, arguments_as_text=as_text)
        analysis = _Analysis(probe)
        found = analysis.format()
        if found is not None and analysis.reads_back(found):
            return replace(found, arguments_as_text=as_text), True
        shown = shown or "zqvalue" in (probe.calls(FIRST) or "")
    return None, shown


class _Analysis:
    def __init__(self, probe: TemplateProbe) -> None:
        self._probe, self._content = probe, probe.content()
        self._rest = ""  # behind calls, which is no part of them

    def format(self) -> CallFormat | None:
        text = self._part(FIRST)
        at = -1 if text is None else text.find(FIRST.name)
        if text is None or at < 0:
            return None
        found = _json(text, at, FIRST) or self._spelt(text, at)
        if found is None:
            return None
        head, tail = text[:at], text[found.end :]
        between = text[at + len(FIRST.name) : found.begin]
        if "zq" in head + between + tail:
            return None
        keys = _keys(text, head)
        whole = CallFormat(style="named", before=head, between=between, after=tail)
        if keys is not None:
            whole = replace(whole, style="json", name_key=keys[0], arguments_key=keys[1])
        whole = self._divided(replace(whole, **found.fields))
        if whole.style != "literal" and not whole.opening.strip():
            return None
        if not whole.begin.strip():  # what ends the turn
            self._rest, whole = whole.end, replace(whole, end="")
        return whole

    def reads_back(self, format: CallFormat) -> bool:
        """Return whether calls that are hard to write come through."""
        hard = _hard(format)
        empty = ProbeCall(SECOND.name, {}, SECOND.id)
        several = [(hard, empty), (empty, hard)] if format.separator is not None else []
        tools = {hard.name: _schema(hard), empty.name: {}}
        return all(
            _read((self._part(*calls) or "").removesuffix(self._rest), format, tools)
            == [(call.name, call.arguments) for call in calls]
            for calls in ((hard,), (empty,), *several)
        )

    def _part(self, *calls: ProbeCall) -> str | None:
        """Return what the calls add to an answer, without their ids.

        None where there is nothing.
        """
        called = self._probe.calls(*calls)
        if called is None or self._content is None:
            return None
        part = inserted(called, self._content)
        part = _TURN_END.sub("", part.partition(self._probe.end)[0] if self._probe.end else part)
        return _IDS.sub("", part)

    def _spelt(self, text: str, at: int) -> _Arguments | None:
        """Return where arguments stand that are not JSON, by what is around keys and values."""
        long = self._part(LONG)
        if long is None:
            return None
        words = ("zqkey", "zqvalue", "zqother", "zqmore")
        places = [long.find(word, at) for word in words]
        if -1 in places or places != sorted(places):
            return None
        key, value, other, more = places
        middle = long[key + len("zqkey") : value]
        joint = long[value + len("zqvalue") : other]
        rest = long[more + len("zqmore") :]
        opening = long[at + len(FIRST.name) : key]
        first, last = text.find("zqkey", at), text.find("zqvalue", at) + len("zqvalue")
        fields = _literal(opening, middle.strip(), joint, rest)
        if fields is not None:
            begin = at + len(FIRST.name) + len(opening) - len(opening.lstrip())
            return _Arguments(begin, text.index(fields["brackets"][1], last) + 1, fields)
        end = common_begin(joint, rest)
        begin = joint[len(end) :]
        if any(_NO_TAG.search(tag) for tag in (begin, middle, end)):
            return None
        fields = {"style": "tagged", "key_begin": begin, "key_end": middle, "value_end": end}
        typed = {"key_ends": self._typed_ends(begin, middle, end)}
        return _Arguments(first - len(begin), last + len(end), {**fields, **typed})

    def _typed_ends(self, begin: str, middle: str, end: str) -> dict[str, str]:
        """Return what stands between a key and a value that is no string, where it differs."""
        found: dict[str, str] = {}
        for kind, value in _TYPED.items():
            call = ProbeCall(LONG.name, {"zqkey": value, "zqother": "zqmore"}, LONG.id)
            text = self._part(call) or ""
            behind = text.partition("zqkey")[2].partition(f"{end}{begin}zqother")[0]
            written = json.dumps(value)
            if behind.endswith(written) and behind.removesuffix(written) != middle:
                found[kind] = behind.removesuffix(written)
        return found

    def _divided(self, whole: CallFormat) -> CallFormat:
        """`whole` with what stands around all calls apart from what stands around each."""
        text = self._part(FIRST, SECOND)
        at = -1 if text is None else text.find(SECOND.name)
        ends = None if text is None else text.find(FIRST.name)
        if text is None or at < 0 or ends is None:
            return whole
        gap = _gap(text, at, whole)
        if gap is None:
            return whole
        second = text[at + len(SECOND.name) :][: len(whole.between)]
        if second != whole.between:
            whole = replace(whole, between=_NUMBER.sub(NUMBER, whole.between))
        numbered = _NUMBER.sub(NUMBER, gap), _NUMBER.sub(NUMBER, whole.before)
        if len(common_end(*numbered)) > len(_NUMBER.sub(NUMBER, common_end(gap, whole.before))):
            gap, whole = numbered[0], replace(whole, before=numbered[1])
        after = common_begin(gap, whole.after)
        before = common_end(gap[len(after) :], whole.before)
        return replace(
            whole,
            begin=whole.before[: len(whole.before) - len(before)],
            before=before,
            after=after,
            end=whole.after[len(after) :],
            separator=gap[len(after) : len(gap) - len(before)],
        )


def _literal(opening: str, middle: str, joint: str, rest: str) -> dict[str, Any] | None:
    """Return the fields of a format of style "literal", if that is how arguments are written."""
    brackets = {"(": "()", "{": "{}"}.get(opening.strip())
    quote = middle[1:]
    end = rest.removeprefix(quote).lstrip()
    if brackets is None or not middle or not end.startswith(brackets[1]):
        return None
    comma = joint.removeprefix(quote)
    if comma.strip() != ",":
        return None
    quote = "" if quote in ("'", '"') else quote
    fields = {"brackets": brackets, "equals": middle[0], "comma": comma, "quote": quote}
    return {"style": "literal", **fields}


def _hard(format: CallFormat) -> ProbeCall:
    """Return a call whose arguments are hard to write."""
    arguments: dict[str, object] = {
        "zqtext": f'a "b" {{c}} [d], (e)\n<f> \\g: é {format.marker}{format.after} h',
        "zqblank": "",
        "zqcount": -3,
        "zqfraction": 1.5,
        "zqflag": True,
        "zqnone": None,
        "zqlist": ["x, y", {"k": [1, "]"]}, []],
        "zqobject": {"inner": {"s": "}"}, "none": None, "flag": False, "empty": {}},
        "zqempty": {},
    }
    return ProbeCall(FIRST.name, arguments, FIRST.id)


def _schema(call: ProbeCall) -> dict[str, Any]:
    kinds = {key: "string" if isinstance(v, str) else "other" for key, v in call.arguments.items()}
    return {"properties": {key: {"type": kind} for key, kind in kinds.items()}}


def _read(
    text: str, format: CallFormat, tools: dict[str, dict[str, Any]]
) -> list[tuple[str, object]] | None:
    """Return the calls in an answer; None where it has other text, too."""
    reader = answer_reader(ChatFormat(format), tools)
    parts = [*reader.push(text), *reader.finish()]
    if any(isinstance(part, Content) and part.text.strip() for part in parts):
        return None
    made = (part for part in parts if isinstance(part, MadeCall))
    return [(call.name, json.loads(call.arguments)) for call in made]


def _gap(text: str, second: int, whole: CallFormat) -> str | None:
    """Return what stands between the arguments of the first call and the name of the second."""
    first = text.find(FIRST.name)
    if whole.style in ("json", "named"):
        found = _json(text, first, FIRST)
        return None if found is None else text[found.end : second]
    value = text.find("zqvalue", first)
    if whole.style == "literal":
        return text[text.index(whole.brackets[1], value) + 1 : second]
    return text[value + len("zqvalue") + len(whole.value_end) : second]


def _json(text: str, at: int, call: ProbeCall) -> _Arguments | None:
    """Return the arguments of `call`, whose name stands at `at`, where they are one JSON object."""
    begin = text.find("{", at)
    while begin >= 0:
        found = _decoded(text, begin)
        if found is not None and found[0] == call.arguments:
            return _Arguments(begin, found[1])
        begin = text.find("{", begin + 1)
    return None


def _keys(text: str, head: str) -> tuple[str, str] | None:
    """Return the keys of name and arguments, where an object that begins in `head` holds both."""
    begin = head.find("{")
    while begin >= 0:
        found = _decoded(text, begin)
        keys = None if found is None else _named(found[0])
        if keys is not None:
            return keys
        begin = head.find("{", begin + 1)
    return None


def _named(value: object) -> tuple[str, str] | None:
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    name = next((key for key in fields if fields[key] == FIRST.name), None)
    arguments = next((key for key in fields if fields[key] == FIRST.arguments), None)
    if name is not None and arguments is not None:
        return name, arguments
    return next(filter(None, map(_named, fields.values())), None)


def _decoded(text: str, begin: int) -> tuple[object, int] | None:
    try:
        return json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
