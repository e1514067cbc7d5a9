"""When it may be worth to ask again."""

from __future__ import annotations

from edge_rt.governor.heat import Thermal, cools_in_s
from edge_rt.governor.limits import BoundBy
from edge_rt.governor.spend import Spend, affords_in_s

_UNKNOWN_S = 15.0  # where nobody can tell
_LEAST_S = 1.0


def retry_after_s(
    bound_by: BoundBy | None,
    thermal: Thermal | None,
    below_c: float | None,
    energy: Spend | None,
    idle_w: float,
    needed_w: float,
) -> float:
    """An estimate for requests that are turned away, of a board that does nothing until then.

    It has to cool below `below_c`, or to have saved enough to draw `needed_w`.
    """
    found: float | None = None
    if bound_by == "energy_j" and energy is not None:
        found = affords_in_s(energy, idle_w, needed_w)
    elif bound_by in ("temp_c", "guard") and below_c is not None:
        found = cools_in_s(thermal, idle_w, below_c)
    return max(_LEAST_S, _UNKNOWN_S if found is None else found)
