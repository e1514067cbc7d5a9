"""Loads that failed of late, so that nobody waits for them again and again."""

from __future__ import annotations

import math
from collections.abc import Callable

from edge_rt.engine.protocol import ModelSpec
from edge_rt.errors import DamagedFile, Unavailable

FAILED_S = 10.0  # for which a failed load is not tried again
WORST_S = 600.0  # for which one is not that has ended engines, after twice as long each time
AVOIDED_S = 600.0  # and for which the model is loaded in another way, where there is one
LESS = "Use a smaller model, engine.context or engine.sequences"  # where memory is short

Attempt = tuple[str, ModelSpec | None]
"""A model, and how it was to be loaded; None: that could not be made ready."""


class Failures:
    """Remembers each attempt by itself: what fails on a GPU may be loaded without."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._clock = clock
        self._known: dict[Attempt, tuple[float, Exception]] = {}
        self._waits: dict[Attempt, float] = {}  # of those that ended engines

    def note(self, attempt: Attempt, why: Exception, *, fatal: bool = False) -> None:
        """It failed just now, with a MemoryError where the kernel had no memory for it; `fatal`:
        and ended the engine.
        """
        self._known[attempt] = self._clock(), why
        if fatal:
            self._waits[attempt] = min(2.0 * self._waits.get(attempt, FAILED_S), WORST_S)

    def forget(self, attempt: Attempt) -> None:
        """It went well."""
        self._known.pop(attempt, None)
        self._waits.pop(attempt, None)

    def check(self, attempt: Attempt) -> None:
        """Raises Unavailable where it is too soon to try again."""
        failed_s, why = self._known.get(attempt, (-math.inf, Exception()))
        left_s = failed_s + self._waits.get(attempt, FAILED_S) - self._clock()
        if left_s > 0.0:
            raise _refusal(attempt[0], why, left_s) from why

    def avoids(self, attempt: Attempt) -> bool:
        """Whether the model had better be loaded in another way."""
        failed_s, _ = self._known.get(attempt, (-math.inf, None))
        return self._clock() < failed_s + AVOIDED_S


def _refusal(model: str, why: Exception, left_s: float) -> Unavailable:
    message = f"{model} could not be loaded: {why}"
    if isinstance(why, DamagedFile):  # it does not mend itself
        return Unavailable(message, retry_after_s=None, code="model_damaged")
    if isinstance(why, MemoryError):
        return Unavailable(f"{message}. {LESS}", retry_after_s=left_s, code="out_of_memory")
    advice = "if nothing else explains it, `edge-rt models verify` tells whether a file is damaged"
    return Unavailable(f"{message}; {advice}", retry_after_s=left_s, code="model_load_failed")
