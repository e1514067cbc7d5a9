"""Figures that take long to work out and change slowly."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
_EVERY_S = 1.0


class Rarely(Generic[T]):
    """Works a figure out once a second, and whenever what it depends on changes."""

    def __init__(self) -> None:
        self._kept: tuple[float, Hashable, T] | None = None

    def get(self, time_s: float, of: Hashable, make: Callable[[], T]) -> T:
        """The figure `of` those things at `time_s`, perhaps a little old."""
        kept = self._kept
        if kept is None or kept[1] != of or not 0.0 <= time_s - kept[0] < _EVERY_S:
            self._kept = kept = time_s, of, make()
        return kept[2]
