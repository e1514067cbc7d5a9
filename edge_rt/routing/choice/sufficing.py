"""Those of the candidates that are likely enough to give a good answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from edge_rt.routing.choice.candidate import Candidate
from edge_rt.routing.choice.figures import TIE
from edge_rt.routing.choice.rules import Rule
from edge_rt.routing.choice.trace import Considered, Trace

Level = Literal["low", "normal", "high"]

FLOORS: Mapping[Level, float] = {"low": 0.25, "normal": 0.5, "high": 0.75}
"""What the words for a floor of quality mean, as probabilities that an answer is good enough."""


UNFIT: frozenset[Rule] = frozenset(("pin", "constraint", "mode", "tokens", "context", "memory"))
"""The rules by which a candidate cannot answer a request on an idle, cool board either."""

_SOFT: frozenset[Rule] = frozenset(("latency_s", "energy_j"))


class Sufficing(NamedTuple):
    """Those to choose from, what became of the others, and in words what of the floor is kept."""

    good: list[Candidate]
    poor: list[Considered]
    why: str | None


def floor_of(quality: Level | float) -> float:
    """A floor of quality as a probability."""
    return FLOORS[quality] if isinstance(quality, str) else quality


def least_quality(qualities: Iterable[float | None], floor: float | None) -> float:
    """Return the least quality with which a candidate may answer, among those of `qualities`.

    That is `floor`, or the best quality where none reaches it. What is as good as the best but for
    a tie is as good. A quality that is not known is the worst.
    """
    if floor is None:
        return 0.0
    best = max((quality or 0.0 for quality in qualities), default=0.0)
    return floor if best >= floor else best * (1.0 - TIE)


def least_in_store(found: Iterable[tuple[Candidate, Rule | None]], floor: float | None) -> float:
    """Return the least quality with which a candidate may answer, whatever the board can do now.

    `found` are candidates, each with the rule that speaks against it. Those that cannot answer at
    all do not count, nor do those that break the limits of the request where others keep them.
    """
    fit = [(one.quality, rule) for one, rule in found if rule not in UNFIT]
    within = [quality for quality, rule in fit if rule not in _SOFT]
    return least_quality(within or [quality for quality, _ in fit], floor)


def may_answer(trace: Trace, floor: float | None) -> list[str]:
    """Return the ids of the variants that may answer the request of `trace`, in order.

    What the board cannot do at the moment, such as loading a model, rules none of them out.
    """
    rows = [row for row in trace.considered if row.rule not in UNFIT]
    least = least_in_store(((row.candidate, row.rule) for row in rows), floor)
    fit = [row for row in rows if (row.candidate.quality or 0.0) >= least or _nearest(row)]
    return sorted({row.candidate.setting.variant for row in fit})


def _nearest(row: Considered) -> bool:
    """Whether it was chosen for what it takes, where nothing keeps the limits of the request."""
    return row.state == "chosen" and row.rule in _SOFT


def below(quality: float | None, least: float) -> str:
    """Say that a quality is below the least that may answer."""
    told = "its quality is not known" if quality is None else f"its quality is {quality:.2f}"
    return f"{told}, and {least:.2f} is the least"


def sufficing(able: Sequence[Candidate], floor: float | None) -> Sufficing:
    """Of `able`, those whose quality reaches the floor; where none does, the best."""
    if floor is None:
        return Sufficing(list(able), [], None)
    best = max(candidate.quality or 0.0 for candidate in able)
    least = least_quality((candidate.quality for candidate in able), floor)
    good = [one for one in able if (one.quality or 0.0) >= least]
    told = floor if best >= floor else best
    poor = [
        Considered(one, "dropped", below(one.quality, told), "quality")
        for one in able
        if (one.quality or 0.0) < least
    ]
    return Sufficing(good, poor, _kept(best, floor))


def _kept(best: float, floor: float) -> str:
    if best >= floor:
        return f"of a quality of {floor:.2f} or better"
    if best == 0.0:
        return f"a quality of {floor:.2f} is asked for, and none is known"
    return f"nothing has the quality of {floor:.2f} asked for, and this is the best: {best:.2f}"
