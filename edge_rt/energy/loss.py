"""What is drawn for nothing when an engine is lost."""

from __future__ import annotations

from dataclasses import dataclass

from edge_rt.energy.account import Account
from edge_rt.energy.attribution import Attribution
from edge_rt.energy.receipt import RequestUsage


@dataclass
class Loss:
    """From the last word of a lost engine until another is at work; told up to `since_s`."""

    receipt: RequestUsage
    account: Account
    attribution: Attribution
    since_s: float

    def spend(self, now_s: float) -> None:
        """Nothing else was done until now."""
        if now_s > self.since_s:
            spent = self.account, 0.0, now_s - self.since_s
            self.attribution.told(self.since_s, now_s, [spent])
            self.since_s = now_s
