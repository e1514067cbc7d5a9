"""Budgets of applications in config.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

AppName = Annotated[str, Meta(pattern="^(\\*|((user|key):)?[A-Za-z0-9._-]{1,64})\\Z")]

OTHER_APPS = "*"
"""The name of the budget that all applications without one of their own share."""


class AppBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the requests of one application may take; see the guide to budgets."""

    energy_j: Annotated[float, Meta(gt=0)] | None = None
    """Most joules that they may add to the idle draw in a clock hour."""
    power_share: Annotated[float, Meta(gt=0, le=1)] | None = None
    """Most share of what `budget.power_w` leaves above the idle draw, as a mean over a clock hour.
    While there is no such cap it does not apply."""
    over: Literal["refuse", "queue"] = "refuse"
    """What becomes of further requests until the next hour. refuse: they get 503; queue: they wait.
    Answers that are being written end as they are."""
