"""Everything that bounds the board's power now."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.core.limits import BoundBy
from edge_rt.governor.policy.spend import Spend


@dataclass(frozen=True)
class Bounds:
    """What each constraint allows by itself, in watts, and what two of them come from."""

    allowances_w: dict[BoundBy, float]
    energy: Spend | None
    limit_c: float | None  # to stay below
    steady_w: float | None = None  # what the power cap allows an engine that makes no pauses
    likely_w: float | None = None  # what it allows if the model of the power is right

    @property
    def by(self) -> BoundBy | None:
        """The constraint that allows least; None: there is none."""
        return min(self.allowances_w, key=lambda name: self.allowances_w[name], default=None)

    @property
    def aim_w(self) -> float | None:
        """The most that the board may draw now; None: as much as it takes."""
        return self._aim_w(None)

    @property
    def whole_w(self) -> float | None:
        """The most that the board may draw with an engine that makes no pauses."""
        return self._aim_w(self.steady_w)

    @property
    def hoped_w(self) -> float | None:
        """The most that the board may draw once the model of its power has proved right."""
        return self._aim_w(self.likely_w)

    def _aim_w(self, capped_w: float | None) -> float | None:
        allowed = {**self.allowances_w}
        if capped_w is not None:
            allowed["power_w"] = capped_w
        return min(allowed.values(), default=None)
