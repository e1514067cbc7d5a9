"""What the calls of one request cost together."""

from __future__ import annotations

from collections.abc import Sequence

from edge_rt.core.reports.board import Quality
from edge_rt.core.requests import Cost, PowerQuality

_INSTANT_S = 1e-9  # what a call that took no time at all weighs


class Costs:
    """Adds up the costs of a request's calls; what one of them does not know, the sum does not."""

    def __init__(self, calls: int) -> None:
        """`calls` is how many costs there will be; while some are missing nothing is resolved."""
        self.taken: list[Cost] = []
        self._calls = calls

    def take(self, cost: Cost) -> None:
        """Book what one call cost."""
        self.taken.append(cost)

    def after(self, before: Sequence[Cost]) -> Costs:
        """Return these costs with those of `before`, which came before the calls."""
        both = Costs(self._calls + len(before))
        both.taken = [*before, *self.taken]
        return both

    @property
    def quality(self) -> Quality:
        """The worst of the calls' qualities."""
        unknown = len(self.taken) < self._calls or any(c.energy_j is None for c in self.taken)
        qualities = {cost.quality for cost in self.taken}
        if unknown or "unresolved" in qualities:
            return "unresolved"
        return "modelled" if "modelled" in qualities else "measured"

    @property
    def energy_j(self) -> float | None:
        """Joules of all calls; None unless every call's are known."""
        if self.quality == "unresolved":
            return None
        return sum(cost.energy_j or 0.0 for cost in self.taken)  # none is None here

    @property
    def power_w(self) -> float | None:
        """The board's mean power, each call's weighted by its seconds; None where none is known."""
        known = [
            (cost.power_w, max(cost.seconds, _INSTANT_S))
            for cost in self.taken
            if cost.power_w is not None
        ]
        weight = sum(seconds for _, seconds in known)
        return sum(power * seconds for power, seconds in known) / weight if known else None

    @property
    def power_quality(self) -> PowerQuality | None:
        """The mean power's quality: "modelled" if any part is; None where none is known."""
        known = {cost.power_quality for cost in self.taken if cost.power_w is not None}
        if not known:
            return None
        return "measured" if known == {"measured"} else "modelled"

    @property
    def why(self) -> str | None:
        """Why calls were ended before their answers did, where any was."""
        reasons = dict.fromkeys(cost.why for cost in self.taken if cost.why is not None)
        return "; ".join(reasons) or None

    @property
    def simulated(self) -> str | None:
        """The simulated board whose figures these are; None where none is."""
        return next((cost.simulated for cost in self.taken if cost.simulated is not None), None)

    @property
    def temp_c(self) -> float | None:
        """The highest temperature; None where none is known."""
        return max((c.temp_c for c in self.taken if c.temp_c is not None), default=None)
