"""How far a long piece of work has come."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.api.planning import Progress


class Course:
    """By the clock, and by what is still to do; the share never falls."""

    def __init__(
        self, clock: Callable[[], float], later_s: float, total_s: float | None = None
    ) -> None:
        """`later_s` is what all that has not begun will take, in seconds like `clock`; `total_s`
        what the whole has to do with, where that is fixed.
        """
        self._later_s, self._total_s = later_s, total_s
        self._clock, self._begin_s, self._done = clock, clock(), 0.0

    @property
    def elapsed_s(self) -> float:
        """Since the beginning."""
        return self._clock() - self._begin_s

    def begun(self, seconds: float) -> None:
        """Something has begun, or was left out, that `seconds` had been set aside for."""
        self._later_s = max(0.0, self._later_s - seconds)

    def at(self, doing: str, left_s: float = 0.0) -> Progress:
        """Where it stands; what is being done takes `left_s` more."""
        elapsed_s = self.elapsed_s
        whole_s = self._total_s or elapsed_s + max(0.0, left_s) + self._later_s
        share = elapsed_s / whole_s if whole_s > 0.0 else 0.0
        self._done = max(self._done, min(0.99, share))
        return Progress(self._done, doing)
