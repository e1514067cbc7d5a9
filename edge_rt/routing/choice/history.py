"""What the router remembers: how long ago each setting was measured, and the mix of requests."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from edge_rt.core.limits import Limits
from edge_rt.core.routing import RunConfig

KINDS = 64  # of requests; the rarest go first
MEMORY_S = 1800.0  # after which a request counts a third


class Bucket(NamedTuple):
    """A kind of requests: which models may answer them, and tokens in powers of two.

    `smaller` are the models that may answer while the governor asks for smaller ones.
    """

    models: tuple[str, ...]
    smaller: tuple[str, ...]
    prompt: int
    completion: int

    def able(self, limits: Limits) -> tuple[str, ...]:
        """The models that may answer such requests now."""
        return self.smaller if limits.smaller else self.models


class RequestMix:
    """Counts requests by kind; what is long ago counts less and less."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in seconds, a monotonic one."""
        self._clock = clock
        self._begin_s = self._at_s = clock()
        self._weights: dict[Bucket, float] = {}

    def note(self, kind: Bucket) -> None:
        self._fade()
        self._weights[kind] = self._weights.get(kind, 0.0) + 1.0
        if len(self._weights) > KINDS:
            del self._weights[min(self._weights, key=lambda known: self._weights[known])]

    def shares(self) -> dict[Bucket, float]:
        """Return the share of each kind, 1 in all; empty before the first request."""
        total = sum(self._weights.values())
        return {k: weight / total for k, weight in self._weights.items()} if total > 0.0 else {}

    def per_second(self) -> float:
        self._fade()
        # What can have been counted since the beginning, of all that is remembered in the long run.
        span_s = -MEMORY_S * math.expm1(-max(1.0, self._at_s - self._begin_s) / MEMORY_S)
        return sum(self._weights.values()) / span_s

    def _fade(self) -> None:
        now_s = self._clock()
        keep = math.exp(-max(0.0, now_s - self._at_s) / MEMORY_S)
        self._at_s = now_s
        self._weights = {kind: weight * keep for kind, weight in self._weights.items()}


KEPT = 1024  # settings; those whose measurement is oldest are forgotten
STALE_S = 86_400.0  # after which a measurement is worth repeating
REST_S = 300.0  # between two answers that are for the sake of measuring


class Noted(msgspec.Struct, frozen=True):
    """A setting was measured at that time."""

    setting: RunConfig
    at_s: float


class Notes(msgspec.Struct, frozen=True):
    """The notes that a restart keeps, the oldest measurement first."""

    noted: list[Noted] = []
    explored_at_s: float | None = None


class Ages:
    """When settings were measured, and when one was last chosen to be measured again."""

    def __init__(self, clock: Callable[[], float], notes: Notes | None = None) -> None:
        """`clock` gives seconds that go on over a restart, as the wall's does."""
        kept = notes or Notes()
        self._clock = clock
        self._at_s = {noted.setting: noted.at_s for noted in kept.noted[-KEPT:]}
        self._explored_at_s = kept.explored_at_s

    @property
    def now_s(self) -> float:
        return self._clock()

    def note(self, setting: RunConfig, at_s: float | None = None) -> None:
        """Note that a setting was measured now, or at `at_s`; the latest time counts."""
        at_s = self._clock() if at_s is None else at_s
        before = self._at_s.pop(setting, at_s)
        self._at_s[setting] = max(before, at_s)
        if len(self._at_s) > KEPT:
            del self._at_s[min(self._at_s, key=lambda known: self._at_s[known])]

    def age_s(self, setting: RunConfig, now_s: float | None = None) -> float | None:
        """Return seconds since its measurement; 0: a clock was set back; None: never measured."""
        at_s = self._at_s.get(setting)
        now_s = self._clock() if now_s is None else now_s
        return None if at_s is None else max(0.0, now_s - at_s)

    def forget(self, variant: str) -> None:
        """Forget a variant whose file has changed."""
        self._at_s = {s: at_s for s, at_s in self._at_s.items() if s.variant != variant}

    @property
    def may_explore(self) -> bool:
        """Whether an answer may be for the sake of measuring."""
        at_s, now_s = self._explored_at_s, self._clock()
        return at_s is None or not 0.0 <= now_s - at_s < REST_S

    def explored(self) -> None:
        """One is about to be."""
        self._explored_at_s = self._clock()

    def notes(self) -> Notes:
        """What to keep over a restart."""
        noted = [Noted(setting, at_s) for setting, at_s in self._at_s.items()]
        return Notes(sorted(noted, key=lambda n: n.at_s), self._explored_at_s)


def stale(age_s: float | None) -> bool:
    """Whether a measurement of that age is worth repeating."""
    return age_s is None or age_s > STALE_S
