"""Least squares whose unknowns may not be negative, for a handful of unknowns.

The best solution is the unconstrained one over some set of unknowns, the others being 0. With six
unknowns there are 64 sets, so all of them are tried: that ends, and needs no rule against cycles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

MOST = 6
_SINGULAR = 1e-13  # of a pivot, where every column has the length 1

Vector = Sequence[float]


def nnls(rows: Sequence[Vector], targets: Vector) -> tuple[float, ...]:
    """The x >= 0 with the least sum of (row·x - target)².

    Of unknowns that cannot be told apart one takes all. ValueError where the sizes do not fit,
    there are no rows or more than MOST unknowns.
    """
    count = len(rows[0]) if rows else 0
    if not 1 <= count <= MOST or any(len(row) != count for row in rows):
        raise ValueError(f"rows: expected all of one length of 1 to {MOST}")
    if len(rows) != len(targets):
        raise ValueError(f"targets: {len(targets)} for {len(rows)} rows")
    lengths = [math.sqrt(math.fsum(row[i] ** 2 for row in rows)) for i in range(count)]
    used = [i for i in range(count) if lengths[i] > 0]
    columns = [[row[i] / lengths[i] for row in rows] for i in used]
    gram = [[_dot(a, b) for b in columns] for a in columns]
    found = _best(gram, [_dot(column, targets) for column in columns])
    solution = [0.0] * count
    for i, value in zip(used, found, strict=True):
        solution[i] = value / lengths[i]
    return tuple(solution)


def _best(gram: Sequence[Vector], moments: Vector) -> list[float]:
    """The feasible solution over any set of unknowns that leaves the least."""
    best, least = [0.0] * len(moments), 0.0
    for size in range(1, len(moments) + 1):
        for chosen in combinations(range(len(moments)), size):
            solution = _solved(gram, moments, chosen)
            if solution is None or min(solution) < 0:
                continue
            left = _left(gram, moments, solution)
            if left < least:
                best, least = solution, left
    return best


def _left(gram: Sequence[Vector], moments: Vector, solution: Vector) -> float:
    """The sum of squares, but for what no solution changes."""
    squares = math.fsum(x * _dot(row, solution) for x, row in zip(solution, gram, strict=True))
    return squares - 2.0 * _dot(moments, solution)


def _solved(gram: Sequence[Vector], moments: Vector, chosen: Sequence[int]) -> list[float] | None:
    """Return the solution with only the `chosen` unknowns; None if they are linearly dependent."""
    size = len(chosen)
    lower = [[0.0] * size for _ in range(size)]
    forward: list[float] = []
    for i in range(size):
        for j in range(i):
            lower[i][j] = (gram[chosen[i]][chosen[j]] - _dot(lower[i][:j], lower[j][:j])) / (
                lower[j][j]
            )
        pivot = gram[chosen[i]][chosen[i]] - _dot(lower[i][:i], lower[i][:i])
        if pivot < _SINGULAR:
            return None
        lower[i][i] = math.sqrt(pivot)
        forward.append((moments[chosen[i]] - _dot(lower[i][:i], forward)) / lower[i][i])
    solution = [0.0] * len(moments)
    for i in reversed(range(size)):
        later = math.fsum(lower[j][i] * solution[chosen[j]] for j in range(i + 1, size))
        solution[chosen[i]] = (forward[i] - later) / lower[i][i]
    return solution


def _dot(a: Vector, b: Vector) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))
