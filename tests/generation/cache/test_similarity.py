"""Vectors in few bytes lie as near as the ones they were made of, and the near ones are found."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from edge_rt.generation.cache.tables import Vector, cosine, nearest, vector

WIDTH = 384


def drawn(random_: random.Random) -> list[float]:
    return [random_.gauss(0, 1) for _ in range(WIDTH)]


def moved(point: list[float], random_: random.Random, near: float) -> list[float]:
    """A vector whose cosine with `point` is about `near`."""
    length = math.sqrt(sum(x * x for x in point) / WIDTH)
    aside = math.sqrt(1 - near * near) / near
    return [x + aside * length * random_.gauss(0, 1) for x in point]


def packed(point: list[float]) -> Vector:
    return vector(array("f", point).tobytes())


def exact(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def test_int8_keeps_the_cosine() -> None:
    random_ = random.Random(1)
    for near in (0.5, 0.8, 0.95, 0.999):
        one = drawn(random_)
        other = moved(one, random_, near)
        assert cosine(packed(one), packed(other)) == pytest.approx(exact(one, other), abs=0.004)


def test_the_search_finds_what_a_comparison_with_all_finds() -> None:
    """Among thousands in clusters, as questions on like matters are."""
    random_ = random.Random(2)
    centres = [drawn(random_) for _ in range(40)]
    points = [moved(random_.choice(centres), random_, 0.75) for _ in range(1000)]
    points += [moved(point, random_, random_.uniform(0.8, 0.99)) for point in points[:100]]
    among = {str(at).encode(): packed(point) for at, point in enumerate(points)}
    wanted = found = 0
    for point in points[:40]:
        asked = packed(moved(point, random_, 0.9))
        whole = sorted(((cosine(asked, one), key) for key, one in among.items()), reverse=True)
        best = [pair for pair in whole if pair[0] >= 0.8][:4]
        some = nearest(asked, list(among), list(among.values()), 0.8, 4)
        assert set(some) <= set(best)
        wanted += len(best)
        found += len(some)
    assert wanted > 50
    assert found >= 0.995 * wanted


def test_what_is_not_near_is_not_found() -> None:
    random_ = random.Random(3)
    keys = [str(at).encode() for at in range(500)]
    vectors = [packed(drawn(random_)) for _ in keys]
    assert nearest(packed(drawn(random_)), keys, vectors, 0.8, 4) == []


@pytest.mark.parametrize("numbers", [[0.0] * WIDTH, [1e-30] * WIDTH, [3e38] * WIDTH])
def test_strange_vectors_break_nothing(numbers: list[float]) -> None:
    other = packed(drawn(random.Random(4)))
    assert -1 <= cosine(packed(numbers), other) <= 1


def test_vectors_of_another_model_are_not_near() -> None:
    assert cosine(packed([1.0] * WIDTH), vector(array("f", [1.0] * 8).tobytes())) == 0.0
