"""The one rule that picks how a request is served."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from edge_rt.core.routing import Prefer
from edge_rt.core.trace import Candidate, Considered, Trace
from edge_rt.routing.choice import words
from edge_rt.routing.choice.ask import Ask, Now, Variant
from edge_rt.routing.choice.options import Dropped, Excess, Predict, excess, options


class _Row(NamedTuple):
    """A candidate, what speaks against it, and else the limit that it breaks most, if any."""

    candidate: Candidate
    dropped: Dropped | None
    broken: Excess | None


def choose(ask: Ask, pool: Sequence[Variant], now: Now, predict: Predict) -> Trace:
    """Return the choice among the models of `pool`, with its reasons, by what `predict` returns.

    Of the candidates that keep all limits the smallest model is chosen whose published figure
    reaches the floor, else the largest; of its settings the one that takes least.
    """
    rows = [
        _Row(candidate, dropped, None if dropped else excess(candidate, ask, now.limits))
        for candidate, dropped in options(ask, pool, now, predict)
    ]
    able = [row.candidate for row in rows if row.dropped is None and row.broken is None]
    over = [(row.candidate, row.broken) for row in rows if row.broken]
    dropped = [_drop(row.candidate, row.dropped) for row in rows if row.dropped]
    if able:
        dropped = [*(_drop(candidate, broken.dropped) for candidate, broken in over), *dropped]
        weights = {variant.id: variant.weights for variant in pool}
        return _best(ask, able, weights, dropped)
    if over:
        return _nearest(ask, over, dropped)
    return Trace(ask.model, ask.prefer, False, _nothing(dropped), dropped, ask.quality)


def _best(
    ask: Ask, able: list[Candidate], weights: dict[str, str], dropped: list[Considered]
) -> Trace:
    model = _model(able, math.inf if ask.prefer == "quality" else ask.quality)
    kin = weights[model.setting.variant]
    settings = [one for one in able if weights[one.setting.variant] == kin]
    chosen = min(settings, key=lambda one: _cost(one, ask.prefer))
    models = len({weights[one.setting.variant] for one in able})
    why = words.by_rule(chosen, ask.quality, ask.prefer, models)
    why = f"{why}; {words.in_setting(chosen, ask.prefer, len(settings))}"
    others = [
        Considered(one, "able", words.beside(one, chosen)) for one in able if one is not chosen
    ]
    return Trace(
        model=ask.model,
        prefer=ask.prefer,
        within=True,
        why=f"{chosen.setting}: {why}",
        considered=[Considered(chosen, "chosen", why), *others, *dropped],
        quality=ask.quality,
    )


def _model(able: Sequence[Candidate], floor: float) -> Candidate:
    """Return a candidate of the smallest model that reaches the floor, or else of the largest."""
    good = [one for one in able if one.quality is not None and one.quality >= floor]
    return min(good or able, key=lambda one: one.bytes if good else -one.bytes)


def _cost(candidate: Candidate, prefer: Prefer) -> tuple[float, float]:
    """Return what counts first of a setting, and what where that is equal; unknown: the most."""
    seconds = math.inf if candidate.seconds is None else candidate.seconds
    energy_j = math.inf if candidate.energy_j is None else candidate.energy_j
    return (seconds, energy_j) if prefer == "latency" else (energy_j, seconds)


def _nearest(ask: Ask, over: list[tuple[Candidate, Excess]], dropped: list[Considered]) -> Trace:
    """Return what breaks its limits least; a limit on what an answer takes only ends it early."""
    chosen, least = min(over, key=lambda item: item[1].times)
    why = words.nearest(least.dropped.reason)
    others = [_drop(c, broken.dropped) for c, broken in over if c is not chosen]
    considered = [Considered(chosen, "chosen", why, least.dropped.rule), *others, *dropped]
    return Trace(ask.model, ask.prefer, False, f"{chosen.setting}: {why}", considered, ask.quality)


def _nothing(dropped: list[Considered]) -> str:
    """Say why nothing can serve, by each reason there is."""
    reasons = dict.fromkeys(f"{c.candidate.setting.variant}: {c.reason}" for c in dropped)
    return f"nothing can serve it: {'; '.join(reasons)}" if reasons else "there is no model"


def _drop(candidate: Candidate, why: Dropped) -> Considered:
    return Considered(candidate, "dropped", why.reason, why.rule)
