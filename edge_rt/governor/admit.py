"""What temperature and sacrifices mean for requests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge_rt.governor.limits import Admission, Guard, Sacrifice


@dataclass(frozen=True)
class Terms:
    """On which requests are taken; see Limits."""

    admission: Admission
    smaller: bool
    heavy: bool
    sequences: int | None
    stopped: bool  # nothing computes at all


def terms(guard: Guard, made: Collection[Sacrifice], running: int) -> Terms:
    """`made` are the sacrifices in force, `running` the requests that the engine has.

    - caution: no model is loaded
    - hold: besides, requests are taken one after the other, and others wait
    - evacuate: requests are refused, and those under way stand still until it is cooler
    """
    hot = guard in ("hold", "evacuate")
    admission: Admission = "open"
    if "queue" in made or (hot and running > 0):
        admission = "queue"
    if "refuse" in made or guard == "evacuate":
        admission = "refuse"
    return Terms(
        admission,
        smaller="model" in made,
        heavy=guard == "ok" and "queue" not in made and "refuse" not in made,
        sequences=1 if hot else None,
        stopped=guard == "evacuate",
    )
