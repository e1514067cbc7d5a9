"""How good an answer has to be, and whether a smaller model reaches that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edge_rt.core.requests import Cost
from edge_rt.core.routing import Objectives, RouteRequest
from edge_rt.governor.loop import GovernorLoop
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.rules import FLOORS, Level, below, floor_of, least_quality
from edge_rt.routing.decoding_options import DecodingOptions, Fits, offer
from edge_rt.routing.host import ModelHost
from edge_rt.routing.quality.assessor import Assessor
from edge_rt.routing.quality.judge import Judge


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
