"""Differences of texts, cut at the borders of markers."""

from __future__ import annotations

import re
from itertools import takewhile

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
