"""What drafts from one source have brought, whichever answers they were for."""

from __future__ import annotations

import math

from edge_rt.decoding.speculative.calibration import Calibration

_EVIDENCE = 8.0  # rounds after which what they brought counts for more than what was expected


class Rate:
    """Tokens and seconds of the last rounds, the later ones counting for more."""

    def __init__(self, memory: float) -> None:
        self._forget = 1.0 - 1.0 / memory
        self.clear()

    @property
    def known(self) -> bool:
        """Whether there is evidence."""
        return self._rounds >= _EVIDENCE

    def clear(self) -> None:
        """Forget all."""
        self._rounds = self._tokens = self._seconds = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """A round brought `tokens` and took `seconds`."""
        self._rounds = self._rounds * self._forget + 1.0
        self._tokens = self._tokens * self._forget + tokens
        self._seconds = self._seconds * self._forget + seconds

    def token_s(self, before: float) -> float:
        """Seconds a token; `before` there is evidence of it."""
        return self._seconds / self._tokens if self.known else before


class Experience:
    """Learnt by all answers that draft from one source; see DraftLength for what it is for."""

    def __init__(self) -> None:
        self.calibration = Calibration()
        self.all, self.drafted = Rate(128.0), Rate(32.0)  # of rounds with drafts or not, and with
        self.idle = math.inf  # tokens written without a draft since the last trial
        self.tried = 0  # rounds of the trial that goes on
        self.streak = 0  # rounds since a token was written alone
