"""How good an answer has to be, and whether a smaller model or an early decision reaches that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec

from edge_rt.core.requests import Cost
from edge_rt.core.routing import Objectives, RouteRequest
from edge_rt.decoding.params import EARLY, Gating, Mode
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.pair import SWITCH
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.ask import AUTO
from edge_rt.routing.choice.rules import FLOORS, Level, below, floor_of, least_quality
from edge_rt.routing.decoding_options import (
    DecodingOption,
    DecodingOptions,
    Fits,
    alike_partner,
    offer,
)
from edge_rt.routing.host import ModelHost
from edge_rt.routing.quality.assessor import Assessor
from edge_rt.routing.quality.finder import Assessment
from edge_rt.routing.quality.judge import Judge

_NAME = f"{SWITCH}:{EARLY}"
_ANY = 100.0  # a doubt beyond all there are


class _Decision(NamedTuple):
    """Up to which doubt the small model writes on, how often, and the quality both keep."""

    threshold: float
    share: float
    kept: float


def left_open(request: RouteRequest) -> bool:
    """Whether a request asks for that, and not from which doubt on."""
    return request.mode.name == _NAME and request.mode.threshold is None


def with_early(
    offers: Mapping[str, DecodingOptions],
    entries: Mapping[str, ModelRecord],
    request: RouteRequest,
    assessed: Assessment,
    floor: float | None,
    host: ModelHost,
) -> dict[str, DecodingOptions]:
    """Return `offers`, decided from the doubt on that leaves answers worse than `floor`.

    Where any model may answer in any mode, each gets one more mode with such a partner, if the
    partner alone would not do. Nothing changes where its doubt was never calibrated.
    """
    if floor is None:
        return dict(offers)
    if left_open(request):
        return {id: _set(offers[id], entries[id], assessed, floor, host) for id in offers}
    if request.model.partition("@")[0] != AUTO or request.mode.asks:
        return dict(offers)
    return {id: _more(offers[id], entries[id], assessed, floor, host) for id in offers}


def _set(
    offer: DecodingOptions, entry: ModelRecord, assessed: Assessment, floor: float, host: ModelHost
) -> DecodingOptions:
    def modes() -> Iterator[DecodingOption]:
        for one in offer.modes:
            gating, partner = one.mode.gating, one.partner
            found = partner and _decision(entry, partner, assessed, floor, host)
            if gating is None or not found:
                yield one
                continue
            gating = msgspec.structs.replace(gating, threshold=found.threshold)
            mode = msgspec.structs.replace(one.mode, gating=gating)
            yield DecodingOption(mode, partner, found.kept)

    return replace(offer, modes=tuple(modes()))


def _more(
    offer: DecodingOptions, entry: ModelRecord, assessed: Assessment, floor: float, host: ModelHost
) -> DecodingOptions:
    partner = alike_partner(entry, host)
    if partner is None or (assessed.p(partner.id) or 0.0) >= floor:
        return offer
    found = _decision(entry, partner, assessed, floor, host)
    if found is None or found.share <= 0.0:
        return offer
    mode = Mode(SWITCH, partner.id, gating=Gating(EARLY, found.threshold))
    return replace(offer, modes=(*offer.modes, DecodingOption(mode, partner, found.kept)))


def _decision(
    large: ModelRecord, small: ModelRecord, assessed: Assessment, floor: float, host: ModelHost
) -> _Decision | None:
    """Return what to do for one request; None: too little is known.

    Ours. Of the large model's answers a share p is good enough, and of those that the small one
    keeps, a share s of all, q. Both together give p - s·max(0, p - q).
    """
    calibration = host.doubt(small)
    before, p = assessed.p(small.id), assessed.p(large.id)
    if calibration is None or before is None or not p:
        return None
    most = calibration.most(before, floor)
    kept = calibration.kept(before, most)
    both = p - kept.share * max(0.0, p - kept.good)
    return _Decision(min(max(most, 0.0), _ANY), kept.share, both / p)


class Floor:
    """The least quality of answers: what the request names, else what is `usual`."""

    def __init__(
        self, usual: Level | float, governor_loop: GovernorLoop, assessor: Assessor, judge: Judge
    ) -> None:
        self.usual = floor_of(usual)
        self._governor_loop, self._assessor, self._judge = governor_loop, assessor, judge

    def now(self, objectives: Objectives) -> float:
        """The floor at the governor's present limits."""
        return self.of(objectives, self._governor_loop.limits.smaller)

    def of(self, objectives: Objectives, smaller: bool) -> float:
        """Return the floor; `smaller` tells whether the governor asks for smaller models.

        The usual one gives way as far as "low" then; one that the request names holds.
        """
        usual = min(self.usual, FLOORS["low"]) if smaller else self.usual
        return usual if objectives.quality is None else objectives.quality

    async def shortfall(
        self,
        other: ModelRecord,
        asked: ModelRecord,
        text: str,
        objectives: Objectives,
        host: ModelHost,
        took: Callable[[Cost], None] = lambda _: None,
    ) -> str | None:
        """Return why `other` is not good enough to answer for `asked`; None: it is, or that is
        unknown.

        `took` is told what it cost to compare `text` with examples.
        """
        assessed = await self._assessor.assess(text, [other, asked], host, took)
        files = {entry.id: entry.short_sha256 for entry in (other, asked)}
        likely = self._judge.assessed(assessed, files)
        quality, best, floor = likely.p(other.id), likely.p(asked.id), self.now(objectives)
        least = floor if best is None else least_quality((quality, best), floor)
        return None if quality is None or quality >= least else below(quality, least)

    async def kept(
        self,
        offers: Mapping[str, DecodingOptions],
        entries: Mapping[str, ModelRecord],
        request: RouteRequest,
        host: ModelHost,
        fits: Fits,
    ) -> dict[str, DecodingOptions]:
        """The `offers` of `entries`, with less for a large model only beside a good enough one."""
        limits = replace(self._governor_loop.limits, smaller=False)
        found = dict(offers)
        for id, reduced in offers.items():
            partner = None if reduced.why is None else reduced.modes[0].partner
            asked = entries[id]
            if partner is None:
                continue
            if (
                await self.shortfall(partner, asked, request.text, request.objectives, host)
                is not None
            ):
                found[id] = offer(asked, request.mode, host, limits, fits)
        return found
