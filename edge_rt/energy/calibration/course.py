"""How far a long piece of work has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge_rt.core.reports.planning import Progress


class Course:
    """By the clock, and by what is still to do; the share never falls."""

    def __init__(
        self,
        clock: Callable[[], float],
        later_s: Mapping[str, float],
        total_s: float | None = None,
    ) -> None:
        """`later_s` is what each thing to be done will take, in seconds like `clock`; `total_s`
        what the whole has to do with, where that is fixed.
        """
        self._later_s, self._total_s = dict(later_s), total_s
        self._clock, self._begin_s, self._done = clock, clock(), 0.0

    @property
    def expected_s(self) -> float:
        """What is still to be taken by all that has not begun, or by the whole."""
        return self._total_s or sum(self._later_s.values())

    @property
    def elapsed_s(self) -> float:
        """Since the beginning."""
        return self._clock() - self._begin_s

    def begun(self, thing: str) -> None:
        """It has begun, or is left out: nothing is set aside for it any more."""
        self._later_s.pop(thing, None)

    def expect(self, thing: str, seconds: float) -> None:
        """It will take so long, if it has not begun yet."""
        if thing in self._later_s:
            self._later_s[thing] = seconds

    def at(self, doing: str, left_s: float = 0.0) -> Progress:
        """Where it stands; what is being done takes `left_s` more."""
        elapsed_s = self.elapsed_s
        whole_s = self._total_s or elapsed_s + max(0.0, left_s) + sum(self._later_s.values())
        share = elapsed_s / whole_s if whole_s > 0.0 else 0.0
        self._done = max(self._done, min(0.99, share))
        return Progress(self._done, doing)
