"""Isotonic regression: the rising steps that fit points best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple


class Point(NamedTuple):
    """`y` was seen at `x`, and counts as `weight`."""

    x: float
    y: float
    weight: float = 1.0


class Block(NamedTuple):
    """From `x` on to the next block the fit is `y`, by points that weigh `weight` together."""

    x: float
    y: float
    weight: float


def isotonic(points: Iterable[Point]) -> list[Block]:
    """The fit with the least weighted squares of all that never fall; pool adjacent violators."""
    blocks: list[Block] = []
    for x, same in groupby(sorted(points), key=lambda point: point.x):
        block = _mean(x, [*same])
        while blocks and blocks[-1].y >= block.y:
            before = blocks.pop()
            block = _mean(before.x, [before, block])
        blocks.append(block)
    return blocks


def _mean(x: float, of: Sequence[Point | Block]) -> Block:
    weight = sum(one.weight for one in of)
    return Block(x, sum(one.y * one.weight for one in of) / weight, weight)
