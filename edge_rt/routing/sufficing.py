"""Those of the candidates that are likely enough to give a good answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from edge_rt.routing.candidate import Candidate
from edge_rt.routing.figures import TIE
from edge_rt.routing.trace import Considered

Level = Literal["low", "normal", "high"]

FLOORS: Mapping[Level, float] = {"low": 0.25, "normal": 0.5, "high": 0.75}
"""What the words for a floor of quality mean, as probabilities that an answer is good enough."""


class Sufficing(NamedTuple):
    """Those to choose from, what became of the others, and in words what of the floor is kept."""

    good: list[Candidate]
    poor: list[Considered]
    why: str | None


def floor_of(quality: Level | float) -> float:
    """A floor of quality as a probability."""
    return FLOORS[quality] if isinstance(quality, str) else quality


def sufficing(able: Sequence[Candidate], floor: float | None) -> Sufficing:
    """Of `able`, those whose quality reaches the floor; where none does, the best.

    What is as good as the best but for a tie is as good. A quality that is not known is the worst.
    """
    if floor is None:
        return Sufficing(list(able), [], None)
    best = max(candidate.quality or 0.0 for candidate in able)
    least = floor if best >= floor else best * (1.0 - TIE)
    good = [one for one in able if (one.quality or 0.0) >= least]
    poor = [
        Considered(one, "dropped", _short(one, floor if best >= floor else best), "quality")
        for one in able
        if (one.quality or 0.0) < least
    ]
    return Sufficing(good, poor, _kept(best, floor))


def _short(candidate: Candidate, least: float) -> str:
    quality = candidate.quality
    told = "its quality is not known" if quality is None else f"its quality is {quality:.2f}"
    return f"{told}, and {least:.2f} is the least"


def _kept(best: float, floor: float) -> str:
    if best >= floor:
        return f"of a quality of {floor:.2f} or better"
    if best == 0.0:
        return f"a quality of {floor:.2f} is asked for, and none is known"
    return f"nothing has the quality of {floor:.2f} asked for, and this is the best: {best:.2f}"
