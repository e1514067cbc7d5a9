"""When it may be worth to ask again."""

from __future__ import annotations

from edge_rt.governor.policy.bounds import Bounds
from edge_rt.governor.policy.heat_allowance import Thermal, cools_in_s
from edge_rt.governor.policy.spend import affords_in_s

_UNKNOWN_S = 15.0  # where nobody can tell
_CAPPED_S = 60.0  # under a cap on power, which only changes if somebody changes it
_LEAST_S = 1.0
_COOL_C = 3.0  # below a limit there is room for a request


def retry_after_s(
    bounds: Bounds,
    thermal: Thermal | None,
    leaves_c: float | None,
    idle_w: float,
    needed_w: float,
) -> float:
    """An estimate for requests that are turned away, of a board that does nothing until then.

    It has to cool below `leaves_c`, where the guard keeps it from work, or below what bounds it,
    or to have saved enough to draw `needed_w`.
    """
    found: float | None = None
    if leaves_c is not None:
        found = cools_in_s(thermal, idle_w, leaves_c)
    elif bounds.by == "energy_j" and bounds.energy is not None:
        found = affords_in_s(bounds.energy, idle_w, needed_w)
    elif bounds.by == "temp_c" and bounds.limit_c is not None:
        found = cools_in_s(thermal, idle_w, bounds.limit_c - _COOL_C)
    elif bounds.by == "power_w":
        found = _CAPPED_S
    return max(_LEAST_S, _UNKNOWN_S if found is None else found)
