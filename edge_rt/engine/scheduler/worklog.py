"""Whom the engine's time was spent on, until it is told."""

from __future__ import annotations

from collections.abc import Iterable

from edge_rt.engine.protocol import Share, Work


class WorkLog:
    """Adds up passes; a pass is shared among its requests by their rows of the batch."""

    def __init__(self) -> None:
        self._begin_s: float | None = None
        self._end_s = 0.0
        self._spent: dict[int, list[float]] = {}  # request -> seconds in prompt and in answer

    def __bool__(self) -> bool:
        return self._begin_s is not None

    def add(self, begin_s: float, end_s: float, rows: Iterable[tuple[int, int, bool]]) -> None:
        """Book one pass; a row is a request, its number of tokens, and whether it is decoding."""
        rows = list(rows)
        size = sum(count for _, count, _ in rows)
        if self._begin_s is None:
            self._begin_s = begin_s
        self._end_s = end_s
        for request, count, decoding in rows:
            spent = self._spent.setdefault(request, [0.0, 0.0])
            spent[decoding] += (end_s - begin_s) * count / size

    def take(self, now_s: float) -> Work:
        """What was booked since the last call; with nothing booked, that there is no more."""
        begin_s = now_s if self._begin_s is None else self._begin_s
        end_s = now_s if self._begin_s is None else self._end_s
        shares = [Share(request, *spent) for request, spent in self._spent.items()]
        self._begin_s, self._spent = None, {}
        return Work(begin_s, end_s, shares)
