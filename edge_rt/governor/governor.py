"""From what is seen to what is allowed."""

from __future__ import annotations

from edge_rt.governor.budget import Budget
from edge_rt.governor.heat import Thermal
from edge_rt.governor.limits import Limits, Observation
from edge_rt.governor.priors import Priors
from edge_rt.governor.report import Report
from edge_rt.governor.settings import Settings


class Governor:
    """Keeps a board within a budget: told what is seen a few times a second, it answers limits.

    It has no clock, file or task of its own: `step` is to be called about five times a second
    with what was seen since the last call, and its limits are to be obeyed until the next. It
    tells `thermal` itself what is seen.

    Every constraint becomes an allowance in watts; of the thread counts and duties whose
    predicted power stays within the least of them, the one with the most tokens a second is
    chosen. Predictions are corrected by what is measured, so that nothing winds up.
    """

    def __init__(
        self,
        cores: int,
        budget: Budget = Budget(),
        thermal: Thermal | None = None,
        priors: Priors = Priors(),
        settings: Settings = Settings(),
    ) -> None:
        """`cores` is the most threads that may be used."""
        self.budget = budget  # may be replaced at any time; holds from the next step on
        self.limits = Limits(cores)
        self.report = Report()

    def step(self, seen: Observation) -> Limits:
        """The limits from now on; also in `limits`, and the reasons in `report`."""
        return self.limits
