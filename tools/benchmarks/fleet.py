"""The routing of fleet/ over twelve boards that share no equation with the twin."""

from __future__ import annotations

import math
from asyncio import to_thread
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

import click
from benchlib.fleet import Fleet, Outcome, Send, arrivals, balanced, by_latency, least_busy, within
from benchlib.publish import published
from benchlib.report import Report

_LOADS = (0.3, 0.6, 0.9)  # of what all boards make with one answer each at a time
_CAP = 0.5  # of the watts between all boards idle and all at work
_KEPT = 0.995  # of windows, below which a static choice does not keep the cap
_SHARES = (1.0, 0.95, 0.9, 0.8)  # of the cap that static choices plan with
_SWING_S = 900.0  # period of the load under the cap
_NOTES = (
    "fleet_joules_L and fleet_p95_L: all boards' joules a token, and the 95th percentile of "
    "seconds, over the better one of LiteLLM's least-busy and latency routing, at a load of L %. "
    "fleet_added_L: the joules above the idle draw alone.",
    "fleet_ok: share of windows of a second in which all boards together kept the cap, under a "
    "load that swings between 0.5 and 3.5 times that. fleet_tokens: tokens over those of "
    "the best static choice of boards that keeps the cap.",
    "Boards are drawn from five kinds by the second plant; predictions are off by up to 15 %.",
)


@click.command()
@click.option("--minutes", default=60.0, show_default=True, help="Of each run, on the boards.")
@click.option("--seeds", default=1, show_default=True, help="Fleets.")
@published
async def command(directory: Path, minutes: float, seeds: int) -> Report:
    """Compare joules, waits and tokens with LiteLLM's own routing, and with static splits."""
    found = [await to_thread(measure, seed, 60.0 * minutes) for seed in range(seeds)]
    values = {name: _mean([one[name] for one in found]) for name in found[0]}
    about = {"minutes": minutes, "fleets": seeds}
    return Report(name="fleet", values=values, about=about, notes=_NOTES)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def measure(seed: int, seconds: float) -> dict[str, float | None]:
    """Return the figures of one fleet."""
    found: dict[str, float | None] = {}
    for load in _LOADS:
        ours, rivals = runs(seed, seconds, load)
        name = f"{100 * load:.0f}"
        found[f"fleet_joules_{name}"] = _ratio(ours, rivals, lambda one: one.joules / one.tokens)
        found[f"fleet_added_{name}"] = _ratio(ours, rivals, lambda one: one.added_j / one.tokens)
        found[f"fleet_p95_{name}"] = _ratio(ours, rivals, Outcome.p95_s)
    return found | capped(seed, seconds)


def _ratio(ours: Outcome, rivals: Sequence[Outcome], of: Callable[[Outcome], float]) -> float:
    return of(ours) / min(map(of, rivals))


def runs(seed: int, seconds: float, load: float) -> tuple[Outcome, list[Outcome]]:
    """Return what came of the same requests by our routing, and by LiteLLM's."""
    rate = load * Fleet(seed).tokens_per_s
    requests = arrivals(seed, seconds, lambda now_s: rate)
    rivals = [Fleet(seed).run(send, requests, seconds) for send in (least_busy, by_latency)]
    fleet = Fleet(seed)
    with balanced(fleet) as send:
        return fleet.run(send, requests, seconds), rivals


def capped(seed: int, seconds: float) -> dict[str, float | None]:
    """Return how well a cap is kept, and the tokens made under it."""
    fleet = Fleet(seed)
    budget_w = fleet.idle_w + _CAP * (fleet.full_w - fleet.idle_w)
    usual = fleet.tokens_per_s
    swing = lambda now_s: usual * (2.0 + 1.5 * math.sin(2.0 * math.pi * now_s / _SWING_S))  # noqa: E731
    requests = arrivals(seed, seconds, swing)
    with balanced(fleet, budget_w) as send:
        ours = fleet.run(send, requests, seconds)
    static = [Fleet(seed).run(one, requests, seconds) for one in splits(fleet, budget_w)]
    kept = [one.tokens for one in static if ok(one, budget_w) >= _KEPT]
    return {
        "fleet_ok": ok(ours, budget_w),
        "fleet_tokens": ours.tokens / max(kept) if kept else None,
    }


def ok(outcome: Outcome, budget_w: float) -> float:
    """Return the share of windows within the budget."""
    return fmean(watts <= budget_w for watts in outcome.windows_w)


def splits(fleet: Fleet, budget_w: float) -> list[Send]:
    """Return static choices of boards at work: as many as shares of the budget hold, by orders."""
    orders = (lambda one: one.token_j, lambda one: (one.working_w - one.idle_w) * one.token_s)
    found: list[Send] = []
    for order, share in product(orders, _SHARES):
        left_w, names = share * budget_w - fleet.idle_w, set[str]()
        for one in sorted(fleet.nodes, key=order):
            if one.working_w - one.idle_w <= left_w:
                left_w -= one.working_w - one.idle_w
                names.add(one.name)
        if names:
            found.append(within(names))
    return found
