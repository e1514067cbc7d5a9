"""What a request says that it may take: its field `edge`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from edge_rt.api.modes import check_mode
from edge_rt.api.service import Call, EmbedCall, InferCall
from edge_rt.api.wish import Aims, ModeWish
from edge_rt.core.reports.governor import Amount
from edge_rt.routing.ask import Prefer
from edge_rt.routing.sufficing import Level, floor_of

C = TypeVar("C", Call, EmbedCall, InferCall)

Cached = Literal["use", "refresh", "off", "only"]
"""What a request wants of the cache: an answer from it or else one that is kept, a new one that is
kept, nothing, or an answer from it or else none.
"""


class Allowance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`energy_j` is what all answers together may add to what the board draws anyway.

    `latency_s` is the time from the request's coming to the end of its last answer. What is left
    out is not limited.
    """

    energy_j: Amount | None = None
    latency_s: Amount | None = None


class Terms(Allowance, frozen=True):
    """Beside what an answer may take: by what to choose among models, and whether to say why.

    `quality` is the least probability that the answer is good enough, or a word for one.

    Who says nothing of the `cache` gets "use" where the answer is the same each time, else "off".
    `mode` is how tokens are decided on, `partner` the id of the smaller model that helps with it;
    the rest is for modes in which they write by turns. See ModeWish.
    """

    prefer: Prefer | None = None
    quality: Level | Annotated[float, Meta(ge=0, le=1)] | None = None
    trace: bool = False
    cache: Cached | None = None
    mode: str | None = None
    partner: str | None = None
    large_share: Annotated[float, Meta(ge=0, le=1)] | None = None
    threshold: Annotated[float, Meta(ge=0)] | None = None
    first: Annotated[int, Meta(ge=0, le=1 << 20)] | None = None

    @property
    def mode_wish(self) -> ModeWish:
        """How tokens are to be decided on; raises RequestError for what cannot be."""
        wish = ModeWish(self.mode, self.partner, self.large_share, self.threshold, self.first)
        check_mode(wish)
        return wish

    @property
    def aims(self) -> Aims:
        """What the choice of a model depends on."""
        quality = None if self.quality is None else floor_of(self.quality)
        return Aims(self.prefer, self.latency_s, self.energy_j, quality)


def grant(
    calls: Sequence[C], allowance: Allowance | None, arrived_s: float, spent_j: float = 0.0
) -> list[C]:
    """The calls of one request, which came at `arrived_s`, with what each may take.

    So many joules of it were spent before.
    """
    if allowance is None:
        return list(calls)
    energy_j, latency_s = allowance.energy_j, allowance.latency_s
    share_j = None if energy_j is None else max(0.0, energy_j - spent_j) / len(calls)
    deadline_s = None if latency_s is None else arrived_s + latency_s
    return [replace(call, energy_j=share_j, deadline_s=deadline_s) for call in calls]
