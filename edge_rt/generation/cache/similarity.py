"""Vectors of texts in few bytes, and which of many are near one, without a native library."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence, Set
from difflib import SequenceMatcher
from itertools import groupby
from operator import mul
from typing import NamedTuple

from edge_rt.generation.cache.wording import Wording

_WEIGHTS = (4.03, 3.78, 3.11, 0.28)  # of what `_figures` gives
_BIAS = -4.61


def doubt(cosine: float, one: Wording, other: Wording) -> float:
    """From 0 to 1; `cosine` is that of the texts' embeddings."""
    figures = _figures(cosine, one, other)
    told = _BIAS + sum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
    return 1 / (1 + math.exp(-told))


def _figures(cosine: float, one: Wording, other: Wording) -> tuple[float, ...]:
    """All of them 0 for equal texts, and larger for those that have less in common.

    What the embeddings miss to each other; the share of the words that is not in both in the same
    order; how much longer one is; and the most words that one tells in a row and the other nowhere.
    """
    a, b = set(one.content), set(other.content)
    lengths = abs(math.log((1 + len(one.words)) / (1 + len(other.words))))
    added = max(_added(one.content, b), _added(other.content, a))
    return 1 - cosine, _disorder(one.words, other.words), lengths, added


def _added(one: Sequence[str], other: Set[str]) -> int:
    runs = groupby(one, other.__contains__)
    return max((len(list(run)) for known, run in runs if not known), default=0)


def _disorder(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    first, second = sorted((one, other))  # for the matcher minds which comes first
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return 1 - matcher.ratio() if one or other else 0.0


SHORT = 64  # vectors that are compared in full
_RADIUS = 0.3  # of the signs may differ: those of a cosine of 0.8 do in 0.2, chance makes it 0.26
_PEAK = 127
_SIGNS = bytes(49 if value < 128 else 48 for value in range(256))  # "1" for what is not below 0


class Vector(NamedTuple):
    """A direction: its numbers as int8, the largest of them 127, and their signs as bits."""

    numbers: bytes
    signs: int


def vector(floats: bytes) -> Vector:
    """Of numbers in float32, little-endian, whatever their length as a vector."""
    values = array("f", floats)
    scale = _PEAK / (max(map(abs, values)) or 1.0)
    return restored(array("b", [round(scale * value) for value in values]).tobytes())


def restored(numbers: bytes) -> Vector:
    """The vector of those numbers."""
    return Vector(numbers, int(numbers.translate(_SIGNS), 2))


def cosine(one: Vector, other: Vector) -> float:
    """Of the angle between two; 0 where one is of another width."""
    if len(one.numbers) != len(other.numbers):
        return 0.0
    a, b = memoryview(one.numbers).cast("b"), memoryview(other.numbers).cast("b")
    lengths = math.sqrt(sum(map(mul, a, a)) * sum(map(mul, b, b)))
    return sum(map(mul, a, b)) / (lengths or 1.0)


def nearest(
    point: Vector, keys: Sequence[bytes], vectors: Sequence[Vector], least: float, most: int
) -> list[tuple[float, bytes]]:
    """At most `most` cosines of at least `least`, the highest first, each with its vector's key.

    Signs choose the SHORT vectors that are compared in full: for a `least` of 0.8 and more those
    have all that the numbers would find but for chance, which the tests bound.
    """
    signs, radius = point.signs, _RADIUS * len(point.numbers)
    near = [
        (bits, key, one)
        for key, one in zip(keys, vectors, strict=True)
        if (bits := (signs ^ one.signs).bit_count()) <= radius
    ]
    near.sort(key=_first)
    found = [(cosine(point, one), key) for _, key, one in near[:SHORT]]
    return sorted((pair for pair in found if pair[0] >= least), reverse=True)[:most]


def _first(row: tuple[int, bytes, Vector]) -> int:
    return row[0]
