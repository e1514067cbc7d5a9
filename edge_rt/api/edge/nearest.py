"""A classifier of our own on embeddings, which needs no training.

A label is a point: the mean of its examples' embeddings, each brought to length 1. The similarity
of a text to a label is the cosine of the angle between its embedding and that point, and the
scores of all labels are the softmax of the similarities times a scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul

SCALE = 20.0  # a similarity that is greater by 0.05 makes a label e times as likely

Vector = Sequence[float]


def point(examples: Iterable[Vector]) -> Vector:
    """The point of a label, of length 1."""
    units = [_unit(example) for example in examples]
    return _unit([sum(numbers) for numbers in zip(*units, strict=True)])


def similarities(text: Vector, points: Mapping[str, Vector]) -> dict[str, float]:
    """The cosine between the embedding of a text and each label's point, -1 to 1."""
    unit = _unit(text)
    return {label: sum(map(mul, unit, point)) for label, point in points.items()}


def scores(similar: Mapping[str, float], scale: float) -> dict[str, float]:
    """The softmax of `scale` times the similarities: 0 to 1, 1 in all."""
    most = max(similar.values())
    weights = {label: math.exp(scale * (value - most)) for label, value in similar.items()}
    whole = sum(weights.values())
    return {label: weight / whole for label, weight in weights.items()}


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [number / length for number in vector] if length else vector
