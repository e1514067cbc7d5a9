"""The last readings of one reader, in a fixed amount of memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence


class Ring:
    """Rows of a time and some values; the oldest row makes room for the newest."""

    def __init__(self, columns: int, capacity: int) -> None:
        self._times = array("d", bytes(8 * capacity))
        self._columns = [array("d", bytes(8 * capacity)) for _ in range(columns)]
        self._capacity = capacity
        self._next = 0
        self._count = 0

    def append(self, time_s: float, values: Sequence[float | None]) -> None:
        """Keep a row; a missing value is kept as missing."""
        at = self._next
        self._times[at] = time_s
        for column, value in zip(self._columns, values, strict=True):
            column[at] = math.nan if value is None else value
        self._next = (at + 1) % self._capacity
        self._count = min(self._count + 1, self._capacity)

    def column(self, index: int, since_s: float) -> list[tuple[float, float | None]]:
        """Times and values of one column from `since_s` on, oldest first."""
        first = self._next - self._count
        places = [at % self._capacity for at in range(first, self._next)]
        column = self._columns[index]
        return [
            (self._times[at], None if math.isnan(column[at]) else column[at])
            for at in places
            if self._times[at] >= since_s
        ]
