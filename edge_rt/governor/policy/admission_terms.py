"""The terms of admission, by the guard's state and the sacrifices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge_rt.core.limits import Admission, Guard, Sacrifice


@dataclass(frozen=True)
class Terms:
    """The terms on which requests are taken; see Limits."""

    admission: Admission
    smaller: bool
    heavy: bool
    stopped: bool  # nothing computes at all


def terms(guard: Guard, made: Collection[Sacrifice]) -> Terms:
    """`made` are the sacrifices in force.

    - caution and hold: no model is loaded; what heat allows is kept by the pace alone, and
      requests are still computed together, which costs fewer joules a token
    - evacuate: requests are refused, and those under way stand still until it is cooler
    """
    admission: Admission = "open"
    if "queue" in made:
        admission = "queue"
    if "refuse" in made or guard == "evacuate":
        admission = "refuse"
    return Terms(
        admission,
        smaller="model" in made,
        heavy=guard == "ok" and "queue" not in made and "refuse" not in made,
        stopped=guard == "evacuate",
    )
