"""How alike a prompt is to examples of easy and hard ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

Vector = Sequence[float]


class Nearness(NamedTuple):
    """The cosine between a prompt and the nearest easy example, and the nearest hard one."""

    easy: float
    hard: float


class Prototypes:
    """The examples as an embedding model places them."""

    def __init__(self, easy: Sequence[Vector], hard: Sequence[Vector]) -> None:
        """Neither side is empty; vectors have any length but 0."""
        self._easy, self._hard = [_unit(v) for v in easy], [_unit(v) for v in hard]

    def near(self, vector: Vector) -> Nearness:
        """How alike a prompt of that vector is to the nearest of both."""
        one = _unit(vector)
        return Nearness(_nearest(one, self._easy), _nearest(one, self._hard))


def _nearest(one: Vector, others: Sequence[Vector]) -> float:
    return max(sum(map(mul, one, other)) for other in others)


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [number / length for number in vector] if length else vector
