"""Bootstrap intervals against what can be worked out."""

from __future__ import annotations

import math
import random

import pytest
from evallib.intervals import Bootstrap
from hypothesis import given, settings
from hypothesis import strategies as st

BOOT = Bootstrap(seed=1)


def coins(n: int, p: float, seed: int = 0) -> list[float]:
    dice = random.Random(seed)
    return [float(dice.random() < p) for _ in range(n)]


@pytest.mark.parametrize(("n", "hits"), [(400, 200), (400, 100), (900, 810)])
def test_the_interval_of_a_share_is_the_normal_one(n: int, hits: int) -> None:
    found = BOOT.mean([1.0] * hits + [0.0] * (n - hits))
    assert found is not None
    p = hits / n
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    assert found.value == p
    assert found.n == n
    assert found.low == pytest.approx(p - half, abs=0.15 * half)
    assert found.high == pytest.approx(p + half, abs=0.15 * half)


def test_the_interval_of_a_paired_difference_is_that_of_the_differences() -> None:
    a = coins(500, 0.6)
    b = [x if n % 5 else 1.0 - x for n, x in enumerate(a)]
    paired, alone = BOOT.difference(a, b), BOOT.mean([x - y for x, y in zip(a, b, strict=True)])
    assert paired is not None
    assert alone is not None
    assert (paired.value, paired.low, paired.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )


def test_pairing_makes_the_interval_of_twins_a_point() -> None:
    a = [1.5 * x for x in range(1, 50)]
    found = BOOT.ratio([0.5 * x for x in a], a)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_ratio_is_that_of_the_sums() -> None:
    found = BOOT.ratio([1.0, 1.0], [1.0, 3.0])
    assert found is not None
    assert found.value == 0.5


def test_what_has_no_value_has_none() -> None:
    assert BOOT.mean([]) is None
    assert BOOT.ratio([1.0], [0.0]) is None


def test_ends_that_hang_on_a_few_draws_are_not_told() -> None:
    found = BOOT.ratio([1.0] * 5, [1.0, 0.0, 0.0, 0.0, 0.0])
    assert found is not None
    assert (found.value, found.low, found.high) == (5.0, None, None)


def test_the_seed_decides_the_draws() -> None:
    column = [float(n % 7) + 0.1 * n for n in range(100)]
    assert Bootstrap(2).mean(column) == Bootstrap(2).mean(column)
    assert Bootstrap(2).mean(column) != Bootstrap(3).mean(column)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_the_interval_lies_within_what_was_found(column: list[float]) -> None:
    found = Bootstrap(draws=200).mean(column)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert min(column) - 1e-9 <= found.low <= found.high <= max(column) + 1e-9
