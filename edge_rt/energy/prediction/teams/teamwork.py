"""How models share the making of answers, in tokens."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

import msgspec


class Teamwork(msgspec.Struct, frozen=True):
    """What one token of an answer takes in the mean, in tokens of each kind.

    `large` is the share that the large model writes, `catch_up` what one model writes and the
    other reads, `accepted` and `rejected` are drafted; `switches` are from one to the other.
    `alone` is the share that the small model writes in answers in which the large one has no part,
    where it drafts in others; in the mean, also the share of such answers.
    """

    large: float = 1.0
    switches: float = 0.0
    catch_up: float = 0.0
    accepted: float = 0.0
    rejected: float = 0.0
    alone: float = 0.0

    @classmethod
    def mean(cls, many: Iterable[Teamwork]) -> Teamwork:
        """In the mean of several answers, of one at least."""
        rows = [msgspec.structs.astuple(one) for one in many]
        return cls(*(fmean(column) for column in zip(*rows, strict=True)))

    @property
    def drafts(self) -> bool:
        """Whether the large model reads what was drafted."""
        return self.accepted + self.rejected > 0.0


UNTRIED = 0.25  # wrong drafts a token: what was never tried is taken to gain nothing
_WASTED = 0.1  # drafted tokens for each of an answer that the large model takes over
_RUN = 4.0  # tokens, after which who writes less of an answer lets the other go on


def untried(mode: str, share: float | None) -> Teamwork:
    """What is expected of a mode before it was tried, the large model's `share` being asked for.

    Ours: that drafts are all wrong and that each model reads all that the other writes. Drafts from
    the text itself cost nothing to have and are read only where that pays: these change nothing.
    """
    kind, _, gate = mode.partition(":")
    if kind == "lookup":
        return Teamwork()
    if kind != "switch":
        return Teamwork(rejected=UNTRIED)
    large = {"never": 0.0, "always": 1.0}.get(gate, 0.5 if share is None else share)
    if gate == "early":
        return Teamwork(large, rejected=_WASTED * large, alone=1.0 - large)
    if gate == "verify":
        return Teamwork(large, accepted=1.0 - large, rejected=UNTRIED)
    less = min(large, 1.0 - large)
    return Teamwork(large, switches=2.0 * less / _RUN, catch_up=1.0 if less else 0.0)
