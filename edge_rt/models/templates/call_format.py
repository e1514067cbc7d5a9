"""The format of a model's tool calls, learnt by rendering its chat template.

The template is rendered with an answer in words, with one call and with two; the text that differs
is taken apart at the names and arguments, which are known. llama.cpp learns formats by the same
comparison (https://github.com/ggml-org/llama.cpp/blob/master/docs/autoparser.md).
"""

from __future__ import annotations

import json
import re
from itertools import takewhile
from typing import NamedTuple, cast

from msgspec.structs import replace

from edge_rt.core.chat_format import CallFormat
from edge_rt.models.templates.chat_template import (
    FIRST,
    LONG,
    SECOND,
    ChatTemplate,
    ProbeCall,
    TemplateProbe,
)

_OPEN = re.compile(r"[<\[][^<>\[\]\s]*\Z")  # a marker that is not closed
_CLOSING = re.compile(r"\A[^<>\[\]\s]*[>\]]")


def common_begin(one: str, other: str) -> str:
    """The longest text that both begin with and that ends in no marker."""
    return _OPEN.sub("", _shared(one, other))


def common_end(one: str, other: str) -> str:
    """The longest text that both end with and that begins in no marker."""
    end = _shared(one[::-1], other[::-1])[::-1]
    if end in (one, other):
        return end
    cut = _OPEN.search(one[: len(one) - len(end)])
    return _CLOSING.sub("", end, count=1) if cut else end


def inserted(one: str, other: str) -> str:
    """The part of `one` between what both begin and end with."""
    begin = common_begin(one, other)
    end = common_end(one[len(begin) :], other[len(begin) :])
    return one[len(begin) : len(one) - len(end)]


def _shared(one: str, other: str) -> str:
    pairs = zip(one, other, strict=False)
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


_ID = r"zqid0000\d"
_IDS = re.compile(  # a call's id as a key of JSON or behind a marker; models need write none
    rf'"\w+":\s*"{_ID}",\s*|,?\s*"\w+":\s*"{_ID}"|[<\[][^<>\[\]\s]*[>\]]{_ID}'
)
_TURN_END = re.compile(r"<\|(?:eom|eot|im_end|end|eos|call)[^<>\s]*\|>\s*\Z")
_NO_TAG = re.compile(r"['\\{}]|\A\s*\Z")  # what is written like this is no argument in markers


class _Arguments(NamedTuple):
    """Where arguments stand in a text; of style "tagged" with the texts around keys and values."""

    begin: int
    end: int
    tags: tuple[str, str, str] | None = None


def find_calls(chat: ChatTemplate) -> CallFormat | None:
    """The format of calls; None where rendering tells nothing."""
    for as_text in (False, True):
        found = _Analysis(TemplateProbe(chat, arguments_as_text=as_text)).format()
        if found is not None:
            return replace(found, arguments_as_text=as_text)
    return None


class _Analysis:
    def __init__(self, probe: TemplateProbe) -> None:
        self._probe, self._content = probe, probe.content()

    def format(self) -> CallFormat | None:
        text = self._part(FIRST)
        at = -1 if text is None else text.find(FIRST.name)
        if text is None or at < 0:
            return None
        found = _json(text, at, FIRST) or self._tagged(text, at)
        if found is None:
            return None
        head, tail = text[:at], text[found.end :]
        between = text[at + len(FIRST.name) : found.begin]
        if not head.strip() or "zq" in head + between + tail:
            return None
        keys = _keys(text, head)
        whole = CallFormat(style="named", before=head, between=between, after=tail)
        if keys is not None:
            whole = replace(whole, style="json", name_key=keys[0], arguments_key=keys[1])
        elif found.tags is not None:
            begin, middle, end = found.tags
            whole = replace(whole, style="tagged", key_begin=begin, key_end=middle, value_end=end)
        return self._divided(whole)

    def _part(self, *calls: ProbeCall) -> str | None:
        """What the calls add to an answer, without their ids; None where there is nothing."""
        called = self._probe.calls(*calls)
        if called is None or self._content is None:
            return None
        part = _TURN_END.sub("", inserted(called, self._content))
        return _IDS.sub("", part)

    def _tagged(self, text: str, at: int) -> _Arguments | None:
        """The arguments where each stands between markers."""
        long = self._part(LONG)
        if long is None:
            return None
        places = [long.find(word, at) for word in ("zqkey", "zqvalue", "zqother", "zqmore")]
        if -1 in places or places != sorted(places):
            return None
        key, value, other, more = places
        middle = long[key + len("zqkey") : value]
        joint = long[value + len("zqvalue") : other]
        rest = long[more + len("zqmore") :]
        end = common_begin(joint, rest)
        begin = joint[len(end) :]
        if any(_NO_TAG.search(tag) for tag in (begin, middle, end)):
            return None
        first = text.find("zqkey", at) - len(begin)
        last = text.find("zqvalue", at) + len("zqvalue") + len(end)
        return _Arguments(first, last, (begin, middle, end))

    def _divided(self, whole: CallFormat) -> CallFormat:
        """`whole` with what stands around all calls apart from what stands around each."""
        text = self._part(FIRST, SECOND)
        at = -1 if text is None else text.find(SECOND.name)
        ends = None if text is None else text.find(whole.between, text.find(FIRST.name))
        if text is None or at < 0 or ends is None:
            return whole
        gap = _gap(text, at, whole)
        if gap is None:
            return whole
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


def _gap(text: str, second: int, whole: CallFormat) -> str | None:
    """What stands between the arguments of the first call and the name of the second."""
    first = text.find(FIRST.name)
    if whole.style != "tagged":
        found = _json(text, first, FIRST)
        return None if found is None else text[found.end : second]
    value = text.find("zqvalue", first)
    return text[value + len("zqvalue") + len(whole.value_end) : second]


def _json(text: str, at: int, call: ProbeCall) -> _Arguments | None:
    """The arguments of `call`, whose name stands at `at`, where they are one JSON object."""
    begin = text.find("{", at)
    while begin >= 0:
        found = _decoded(text, begin)
        if found is not None and found[0] == call.arguments:
            return _Arguments(begin, found[1])
        begin = text.find("{", begin + 1)
    return None


def _keys(text: str, head: str) -> tuple[str, str] | None:
    """The keys of name and arguments, where an object that begins in `head` holds both."""
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
