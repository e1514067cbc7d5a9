"""When a request may go another way than the best known, in order to learn of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

REQUESTS = 0.05  # of all, which may be trials
JOULES = 0.02  # of all, which trials may take beyond what is best
ONE = 0.5  # times the joules of what is best, which a trial may take beyond them
ENOUGH = 8.0  # answers, and marks, after which an arm is known


class Way(NamedTuple):
    """A way that keeps all limits, and the floor of quality; `known` is what was learnt of it.

    `place` is its own among all, `arm` what it is learnt by.
    """

    place: int
    arm: tuple[str, str]
    energy_j: float
    known: float


class Trials:
    """Allows trials within a share of the requests and of the joules, whatever comes of them.

    Bounded by construction, ours: with n requests so far that take J joules in all where each goes
    the best way known, no more than REQUESTS·n of them were trials, and what is foretold of those
    beyond that is no more than JOULES·J. Both are earned request by request before they are spent.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.trials = 0
        self.best_j = 0.0
        self.extra_j = 0.0

    def choose(self, ways: Sequence[Way], best: Way) -> Way:
        """The one to take: the best, or where a trial is due and can be had, the least known."""
        if self.trials + 1 > REQUESTS * (self.requests + 1):
            return best
        room_j = min(ONE * best.energy_j, JOULES * (self.best_j + best.energy_j) - self.extra_j)
        able = [
            way
            for way in ways
            if way.arm != best.arm
            and way.known < min(ENOUGH, best.known)
            and way.energy_j - best.energy_j <= room_j
        ]
        return min(able, key=lambda way: (way.known, way.energy_j), default=best)

    def took(self, best_j: float, extra_j: float | None) -> None:
        """A request goes the best way, foretold to take `best_j`, or as a trial so much more."""
        self.requests += 1
        self.best_j += best_j
        if extra_j is not None:
            self.trials += 1
            self.extra_j += max(0.0, extra_j)
