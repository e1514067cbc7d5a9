"""When a larger model takes over what a small one has begun, by what is known of its doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec

from edge_rt.core.routing import RouteRequest
from edge_rt.decoding.params import EARLY, Gating, Mode
from edge_rt.models.doubt import Calibration
from edge_rt.models.pair import SWITCH
from edge_rt.models.record import ModelRecord
from edge_rt.routing.choice.naming import AUTO
from edge_rt.routing.options.decoding_options import (
    DecodingOption,
    DecodingOptions,
    Models,
    alike_partner,
)
from edge_rt.routing.quality.difficulty.assessment import Assessment

_NAME = f"{SWITCH}:{EARLY}"
_ANY = 100.0  # a doubt beyond all there are


class Knowing(Models, Protocol):
    """Has models, and knows what their doubt says."""

    def doubt(self, entry: ModelRecord) -> Calibration | None:
        """What is known of the doubt of a model."""
        ...


class _Decision(NamedTuple):
    """Up to which doubt the small model writes on, how often it does, and what the two keep of the
    large one's quality together.
    """

    threshold: float
    share: float
    kept: float


def left_open(wish: RouteRequest) -> bool:
    """Whether a request asks for that, and not from which doubt on."""
    return wish.mode.name == _NAME and wish.mode.threshold is None


def with_early(
    offers: Mapping[str, DecodingOptions],
    entries: Mapping[str, ModelRecord],
    wish: RouteRequest,
    assessed: Assessment,
    floor: float | None,
    host: Knowing,
) -> dict[str, DecodingOptions]:
    """The `offers` of `entries`, decided from the doubt on that leaves answers worse than `floor`.

    Where any model may answer in any mode, each has one more that has such a partner, if that by
    itself would not do. Nothing changes where the partner's doubt was never calibrated.
    """
    if floor is None:
        return dict(offers)
    if left_open(wish):
        return {id: _set(offers[id], entries[id], assessed, floor, host) for id in offers}
    if wish.model.partition("@")[0] != AUTO or wish.mode.asks:
        return dict(offers)
    return {id: _more(offers[id], entries[id], assessed, floor, host) for id in offers}


def _set(
    offer: DecodingOptions, entry: ModelRecord, assessed: Assessment, floor: float, host: Knowing
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
    offer: DecodingOptions, entry: ModelRecord, assessed: Assessment, floor: float, host: Knowing
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
    large: ModelRecord, small: ModelRecord, assessed: Assessment, floor: float, host: Knowing
) -> _Decision | None:
    """What is to be done for one request; None: too little is known.

    Ours. Of the large model's answers a share p is good enough, and of those that the small one
    keeps, a share s of all, q. Both together give p - s·max(0, p - q): with what it leaves to the
    small one the large one would have done as well as with all, or as the small one if that is
    better, and so worse with what it takes over.
    """
    calibration = host.doubt(small)
    before, p = assessed.p(small.id), assessed.p(large.id)
    if calibration is None or before is None or not p:
        return None
    most = calibration.most(before, floor)
    kept = calibration.kept(before, most)
    both = p - kept.share * max(0.0, p - kept.good)
    return _Decision(min(max(most, 0.0), _ANY), kept.share, both / p)
