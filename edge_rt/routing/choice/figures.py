"""The three figures by which candidates compare, and how sure they are."""

from __future__ import annotations

import math
from typing import NamedTuple

from edge_rt.routing.choice.candidate import Candidate

TIE = 0.02  # figures that differ by less are as good as equal
_MOST_DOUBT = 1.0  # an error beyond it says no more than that nothing is known


class Figures(NamedTuple):
    """A candidate's seconds, joules and quality; what is not known counts as the worst.

    `least_s` and `least_j` are what they may be in truth as far as that matters: a tie less, or
    the error of a measurement that is worth repeating.
    """

    seconds: float
    energy_j: float
    quality: float
    least_s: float
    least_j: float

    def dominates(self, other: Figures) -> bool:
        """Whether it is no worse in anything, and better in something by more than a tie.

        That is a strict order: who dominates one that dominates a third dominates that too.
        """
        return (
            self.seconds <= other.seconds
            and self.energy_j <= other.energy_j
            and self.quality >= other.quality
            and (
                self.seconds < other.least_s
                or self.energy_j < other.least_j
                or self.quality * (1.0 - TIE) > other.quality
            )
        )


def figures(candidate: Candidate, doubtful: bool = False) -> Figures:
    """The figures of a candidate; one that is `doubtful` gets the benefit of its error."""
    seconds = math.inf if candidate.seconds is None else candidate.seconds
    energy_j = math.inf if candidate.energy_j is None else candidate.energy_j
    return Figures(
        seconds,
        energy_j,
        candidate.quality or 0.0,
        seconds / (1.0 + _slack(candidate.error_ratio, doubtful)),
        energy_j / (1.0 + _slack(candidate.energy_error_ratio, doubtful)),
    )


def _slack(error_ratio: float | None, doubtful: bool) -> float:
    if not doubtful or error_ratio is None:
        return TIE
    return min(_MOST_DOUBT, max(TIE, error_ratio))
