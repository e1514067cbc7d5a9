"""Picks how a request is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from edge_rt.core.limits import Limits
from edge_rt.core.routing import Prefer
from edge_rt.routing.choice import words
from edge_rt.routing.choice.ask import Ask, Now, Variant, select
from edge_rt.routing.choice.history import Ages, stale
from edge_rt.routing.choice.options import Option, Options, Predict
from edge_rt.routing.choice.pareto import Finalist, FrontChoice, choose, dominators, figures
from edge_rt.routing.choice.rules import (
    Dropped,
    Excess,
    Sufficing,
    below,
    excess,
    least_in_store,
    least_quality,
    sufficing,
)
from edge_rt.routing.choice.trace import Candidate, Considered, Rule, Trace
from edge_rt.routing.quality.judge import Judge


class _Judged(NamedTuple):
    """The candidates that keep all limits, which one dominates each, and the choice."""

    able: list[Candidate]
    by: list[int | None]
    choice: FrontChoice


class _Row(NamedTuple):
    """A candidate, what speaks against it, and else the limit that it breaks most, if any."""

    candidate: Candidate
    dropped: Dropped | None
    broken: Excess | None

    @property
    def rule(self) -> Rule | None:
        dropped = self.broken.dropped if self.broken is not None else self.dropped
        return None if dropped is None else dropped.rule


class _Pick(NamedTuple):
    """A choice, why, and whether it was made in order to learn more of it; see Trace."""

    judged: _Judged
    why: str
    explores: bool = False
    extra_j: float | None = None


class RequestRouter:
    """Chooses the candidate with the fewest joules, or by what the request prefers."""

    def __init__(self, ages: Ages, learnt: Judge | None = None) -> None:
        """`learnt` corrects predictions; None: they stay as they are."""
        self._options, self._ages, self._learnt = Options(ages), ages, learnt

    def route(self, ask: Ask, pool: Sequence[Variant], now: Now, predict: Predict) -> Trace:
        """Return the choice among the models of `pool`, with its reasons, by what `predict`
        returns.

        Raises ModelNotFound or RequestError where none has the name. Changes nothing: the caller
        that serves as it says calls `follow`.
        """
        rows = [self._row(option, ask, now.limits) for option in self._all(ask, pool, now, predict)]
        if now.limits.smaller:
            rows = _kept_to_floor(rows, ask.quality)
        dropped = [_drop(row.candidate, row.dropped) for row in rows if row.dropped]
        rest = [row for row in rows if row.dropped is None]
        able = [row.candidate for row in rest if row.broken is None]
        over = [(row.candidate, row.broken) for row in rest if row.broken]
        if able:
            dropped = [*(_drop(c, broken.dropped) for c, broken in over), *dropped]
            return self._best(ask, now, sufficing(able, ask.quality), dropped)
        return _nearest(ask, over, dropped) if over else _unknown(ask, dropped)

    def _all(self, ask: Ask, pool: Sequence[Variant], now: Now, predict: Predict) -> list[Option]:
        """Return every option, corrected by the learnt errors of its predictions."""
        options = self._options.of(ask, select(ask.model, pool), now, predict)
        if self._learnt is None:
            return options
        learnt = self._learnt
        return [o._replace(candidate=learnt.corrected(o.candidate, ask.context)) for o in options]

    def _row(self, option: Option, ask: Ask, limits: Limits) -> _Row:
        candidate, dropped = option
        return _Row(candidate, dropped, None if dropped else excess(candidate, ask, limits))

    def follow(self, trace: Trace) -> None:
        """A request is about to be served as `trace` says."""
        if trace.explores:
            self._ages.explored()
        if self._learnt is not None and trace.chosen is not None:
            self._learnt.chosen(trace.chosen, trace.extra_j)

    # --- the best

    def _best(self, ask: Ask, now: Now, found: Sufficing, dropped: list[Considered]) -> Trace:
        able = found.good
        prefer: Prefer = "energy" if now.limits.smaller else ask.prefer
        pick = self._pick(ask, now, able, prefer)
        chosen, why = able[pick.judged.choice.place], pick.why
        if now.limits.smaller and ask.prefer != "energy":
            why = f"the governor asks for less, so {why}"
        if found.why is not None:
            why = f"{why}; {found.why}"
        others = [*_others(pick.judged), *found.poor, *dropped]
        return Trace(
            model=ask.model,
            prefer=prefer,
            within=True,
            explores=pick.explores,
            why=f"{chosen.setting}: {why}",
            considered=[Considered(chosen, "chosen", why), *others],
            extra_j=pick.extra_j,
            quality=ask.quality,
        )

    def _pick(self, ask: Ask, now: Now, able: list[Candidate], prefer: Prefer) -> _Pick:
        """The best, or what is worth learning more of."""
        judged = _judge(able, [False] * len(able), prefer)
        place, ties = judged.choice
        best = _Pick(judged, words.best(able[place], prefer, len(able), ties))
        if now.limits.guard != "ok" or now.limits.smaller:
            return best
        if self._ages.may_explore:
            again = _judge(able, [_doubtful(candidate, ask, now) for candidate in able], prefer)
            if again.choice.place != place:
                return _Pick(again, words.explored(able[again.choice.place]), explores=True)
        return self._trial(able, best) if prefer == "energy" else best

    def _trial(self, able: list[Candidate], best: _Pick) -> _Pick:
        judged = best.judged
        place = judged.choice.place
        other = place if self._learnt is None else self._learnt.trial(able, place)
        if other == place:
            return best
        extra_j = (able[other].energy_j or 0.0) - (able[place].energy_j or 0.0)
        judged = judged._replace(choice=FrontChoice(other, 0))
        return _Pick(judged, words.tried(able[other], extra_j), explores=True, extra_j=extra_j)


def _doubtful(candidate: Candidate, ask: Ask, now: Now) -> bool:
    """Whether it gets the benefit of its error: it is stale, and keeps all limits at worst."""
    doubtful = stale(candidate.age_s)
    if doubtful and candidate.seconds is not None:
        seconds = candidate.seconds * (1.0 + (candidate.error_ratio or 0.0))
        energy_j = candidate.energy_j
        if energy_j is not None:
            energy_j *= 1.0 + (candidate.energy_error_ratio or 0.0)
        worst = replace(candidate, seconds=seconds, energy_j=energy_j)
        doubtful = excess(worst, ask, now.limits) is None
    return doubtful


def _judge(able: list[Candidate], doubtful: Sequence[bool], prefer: Prefer) -> _Judged:
    """Find the front; a candidate that is `doubtful` counts as loaded, so that it is measured."""
    found = [figures(one, doubt) for one, doubt in zip(able, doubtful, strict=True)]
    by = dominators(found)
    front = [
        Finalist(i, found[i], one.age_s, loads=not (one.loaded or doubtful[i]))
        for i, one in enumerate(able)
        if by[i] is None
    ]
    return _Judged(able, by, choose(front, prefer))


def _others(judged: _Judged) -> list[Considered]:
    able, by, choice = judged
    chosen = able[choice.place]
    front: list[Considered] = []
    dominated: list[Considered] = []
    for place, candidate in enumerate(able):
        better = by[place]
        if place == choice.place:
            continue
        if better is not None:
            reason = words.dominated(candidate, able[better])
            dominated.append(Considered(candidate, "dominated", reason))
        else:
            front.append(Considered(candidate, "front", words.beside(candidate, chosen)))
    return front + dominated


# --- where smaller models are asked for


def _kept_to_floor(rows: list[_Row], floor: float | None) -> list[_Row]:
    """Return `rows`; those below the floor answer only where nothing better is in the store."""
    least = least_in_store(((row.candidate, row.rule) for row in rows), floor)

    def held(row: _Row) -> _Row:
        quality = row.candidate.quality
        cannot = row.dropped is not None and row.rule != "prediction"
        if cannot or (quality or 0.0) >= least:
            return row
        return _Row(row.candidate, Dropped("quality", below(quality, least)), None)

    return [held(row) for row in rows]


# --- where there is none


def _nearest(ask: Ask, over: list[tuple[Candidate, Excess]], dropped: list[Considered]) -> Trace:
    """What breaks its limits least; a limit on what an answer takes only ends it early."""
    chosen, least = min(over, key=lambda item: item[1].times)
    why = words.nearest(least.dropped.reason)
    others = [_drop(c, broken.dropped) for c, broken in over if c is not chosen]
    considered = [Considered(chosen, "chosen", why, least.dropped.rule), *others, *dropped]
    return _unsure(ask, f"{chosen.setting}: {why}", considered)


def _unknown(ask: Ask, dropped: list[Considered]) -> Trace:
    """The first good enough row whose cost alone is unknown."""
    rows = [row for row in dropped if row.rule == "prediction"]
    least = least_quality((row.candidate.quality for row in rows), ask.quality)
    found = next((row for row in rows if (row.candidate.quality or 0.0) >= least), None)
    if found is None:
        return _unsure(ask, _nothing(dropped), dropped)
    why = words.unknown(found.reason)
    chosen = Considered(found.candidate, "chosen", why, found.rule)
    others = [row for row in dropped if row is not found]
    told = f"{found.candidate.setting}: {why}"
    return _unsure(ask, told, [chosen, *others])


def _unsure(ask: Ask, why: str, considered: list[Considered]) -> Trace:
    """A trace in which no candidate is sure to keep all limits."""
    return Trace(ask.model, ask.prefer, False, False, why, considered, quality=ask.quality)


def _nothing(dropped: list[Considered]) -> str:
    """Why nothing can serve, by each reason there is."""
    reasons = dict.fromkeys(f"{c.candidate.setting.variant}: {c.reason}" for c in dropped)
    return f"nothing can serve it: {'; '.join(reasons)}" if reasons else "there is no model"


def _drop(candidate: Candidate, why: Dropped) -> Considered:
    return Considered(candidate, "dropped", why.reason, why.rule)
