"""Bootstrap intervals over items: of means, differences and ratios of what was found per item.

What is compared is paired: each draw takes the same items of every column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From the means of the columns, the last axis, to a figure."""

DRAWS = 10_000
_DEFINED = 0.95  # of the draws must have a value


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its 95 % interval, which are None where they are not known.

    `n` is of how many items.
    """

    value: float
    low: float | None
    high: float | None
    n: int

    def as_json(self) -> dict[str, float | None]:
        """Return it as plain values."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


class Bootstrap:
    """Draws items, the same ones for all figures of so many items."""

    def __init__(self, seed: int = 0, draws: int = DRAWS) -> None:
        self._seed, self._draws = seed, draws
        self._counts: dict[int, NDArray[np.uint16]] = {}

    def mean(self, column: Sequence[float]) -> Interval | None:
        """Return the interval of a column's mean; None where it is empty."""
        return self.interval(lambda m: m[..., 0], column)

    def difference(self, a: Sequence[float], b: Sequence[float]) -> Interval | None:
        """Return the interval of the difference of the means, `a` less `b`."""
        return self.interval(lambda m: m[..., 0] - m[..., 1], a, b)

    def ratio(self, a: Sequence[float], b: Sequence[float]) -> Interval | None:
        """Return the interval of the ratio of the means, `a` over `b`; None without a value."""
        return self.interval(lambda m: m[..., 0] / m[..., 1], a, b)

    def interval(self, statistic: Statistic, *columns: Sequence[float]) -> Interval | None:
        """`statistic` of the columns' means, with its percentile interval; None: it has no value.

        The columns go item by item and are as long as each other. The ends are None when the
        statistic has no value in more than a few of the draws.
        """
        table = np.array(columns, dtype=np.float64).T
        if table.size == 0:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(statistic(table.mean(axis=0)))
            drawn = statistic(self._drawn(len(table)) @ table / len(table))
        if not np.isfinite(value):
            return None
        known = drawn[np.isfinite(drawn)]
        if len(known) < _DEFINED * self._draws:
            return Interval(value, None, None, len(table))
        low, high = np.percentile(known, (2.5, 97.5))
        return Interval(value, float(low), float(high), len(table))

    def _drawn(self, n: int) -> Floats:
        """Return how often each of `n` items was drawn, a row for each draw."""
        if n not in self._counts:
            random = np.random.default_rng(self._seed)
            even = np.full(n, 1.0 / n)
            self._counts[n] = random.multinomial(n, even, size=self._draws).astype(np.uint16)
        return self._counts[n].astype(np.float64)
