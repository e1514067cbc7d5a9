"""What the router remembers: how long ago each setting was measured."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.core.routing import RunConfig

KEPT = 1024  # settings; those whose measurement is oldest are forgotten
STALE_S = 86_400.0  # after which a measurement is worth repeating
REST_S = 300.0  # between two answers that are for the sake of measuring


class Ages:
    """When settings were measured, and when one was last chosen to be measured again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds, as calibrations are dated."""
        self._clock = clock
        self._at_s: dict[RunConfig, float] = {}
        self._explored_at_s: float | None = None

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


def stale(age_s: float | None) -> bool:
    """Whether a measurement of that age is worth repeating."""
    return age_s is None or age_s > STALE_S
