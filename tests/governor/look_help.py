"""Looks at a board without a board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors
from edge_rt.thermal.model import ThermalModel

DT_S = 0.2
FREE, USUAL = BudgetConfig(), GovernorConfig()
QUIET = Observation(
    time_s=0.0,
    dt_s=DT_S,
    power_w=4.0,
    temp_c=40.0,
    trip_c=80.0,
    fan=None,
    threads=4,
    busy_s=0.0,
    tokens=0,
    running=0,
    waiting=0,
    others=0.0,
    cpu_s=0.0,
)


def governor(
    budget: BudgetConfig = FREE,
    settings: GovernorConfig = USUAL,
    cores: int = 4,
    thermal: ThermalModel | None = None,
) -> Governor:
    """Of a board that draws 4 W at rest and 1 W more for each core."""
    return Governor(cores, budget, thermal, Priors(4.0, 1.0), settings)


def looks(seconds: float, start_s: float = 0.0, **seen: Any) -> Iterator[Observation]:
    """Return the same for some seconds."""
    for number in range(round(seconds / DT_S)):
        yield replace(QUIET, time_s=start_s + number * DT_S, **seen)


def settle(known: Governor, seconds: float = 2.0, **seen: Any) -> Limits:
    """The limits after the same was seen for some seconds."""
    for look in looks(seconds, **seen):
        known.step(look)
    return known.limits


def work(known: Governor, seconds: float, start_s: float = 0.0, **seen: Any) -> list[Limits]:
    """The limits while an engine with one request obeys them: 4 W, 1 W for each busy core."""
    found: list[Limits] = []
    limits = known.limits
    for look in looks(seconds, start_s, running=1, **seen):
        cores, busy_s = limits.threads * limits.duty, DT_S * limits.duty
        done = replace(look, threads=limits.threads, busy_s=busy_s, cpu_s=cores * DT_S)
        tokens = round(100 * busy_s * limits.threads / (1 + 0.25 * (limits.threads - 1)))
        limits = known.step(replace(done, power_w=4.0 + cores, tokens=tokens))
        found.append(limits)
    return found
