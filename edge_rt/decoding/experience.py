"""What drafting has taught: acceptance by confidence, times of passes, tokens a second."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

_EDGES = (0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.96, 0.98, 0.99, 0.995)
_CENTRES = (0.1, 0.3, 0.5, 0.68, 0.8, 0.89, 0.94, 0.97, 0.985, 0.993, 0.998)
_FORGET = 0.99  # what was seen counts for this much less with each later guess, in a bin or in all
_PRIOR = 2.0  # guesses for which "accepted as often as confident" counts

Bins = NDArray[np.float64]

CLOSE = 8  # tokens to catch up on that a pass of the draft model takes along
_MEMORY = 16  # passes that an average is over
_FORGET_PASS = 1.0 - 1.0 / (2 * _MEMORY)
_OUTLIER = 2.0  # times what was expected: more is the machine's doing and counts as this much
_SLOPE = 0.3  # of a pass for one token: what each further one takes, before it is known
_DOUBT = 1.0  # how much that assumption weighs, in (rows from their mean)^2
_EVIDENCE = 8.0  # rounds after which what they brought counts for more than what was expected


class AcceptanceCalibration:
    """From a confidence, 0 to 1, to the probability of acceptance, by bins. Ours.

    Bins are narrower towards 1, where most guesses of a good draft are and where small
    differences decide on its length.
    """

    def __init__(self) -> None:
        self._hits = _PRIOR * np.array(_CENTRES)
        self._guesses = np.full(len(_CENTRES), _PRIOR)
        self._made = np.full(len(_CENTRES), _PRIOR / len(_CENTRES))

    def acceptance(self, confidence: float) -> float:
        """Return how likely a guess of `confidence` is to be accepted where those before it are."""
        at = _bin(confidence)
        return float(self._hits[at] / self._guesses[at])

    @property
    def acceptances(self) -> Bins:
        """The acceptance of each bin."""
        return self._hits / self._guesses

    @property
    def shares(self) -> Bins:
        """Which share of the guesses is in each bin."""
        return self._made / self._made.sum()

    def guessed(self, confidence: float) -> None:
        """Count a guess of `confidence`, whether or not it is ever verified."""
        self._made *= _FORGET
        self._made[_bin(confidence)] += 1.0

    def verified(self, confidence: float, *, accepted: bool) -> None:
        """Note whether a guess of `confidence` was accepted."""
        at = _bin(confidence)
        self._hits[at] = self._hits[at] * _FORGET + accepted
        self._guesses[at] = self._guesses[at] * _FORGET + 1.0


def _bin(confidence: float) -> int:
    return bisect_right(_EDGES, confidence)


class Average:
    """An average that forgets, and that single outliers do not carry away."""

    def __init__(self) -> None:
        self.value: float | None = None  # None: there was no sample
        self._count = 0

    def add(self, sample: float) -> None:
        """Take `sample` into account."""
        self._count = min(self._count + 1, _MEMORY)
        if self.value is None:
            self.value = sample
        else:
            self.value += (min(sample, _OUTLIER * self.value) - self.value) / self._count


class PassTimes:
    """Seconds of the large model's passes and of the small one's, for one pair of models.

    Verifying is a straight line over the rows of a pass, by least squares; a pass for one token
    by itself stands apart, as kernels differ there. Times are passed in and never taken here.
    """

    def __init__(self) -> None:
        self.alone = Average()  # seconds of a pass of the large model for one token
        self.draft = Average()  # of one of the draft model for a guess, with CLOSE tokens at most
        self.read = Average()  # seconds a token of one in which it has more to catch up on
        self._weight = self._rows = self._seconds = self._rows2 = self._cross = 0.0

    def verify_took(self, rows: int, seconds: float) -> None:
        """Note a pass of the large model over one token and `rows` - 1 drafted ones."""
        if self._weight > 4.0:
            seconds = min(seconds, _OUTLIER * self.verify(rows - 1))
        self._weight = self._weight * _FORGET_PASS + 1.0
        self._rows = self._rows * _FORGET_PASS + rows
        self._seconds = self._seconds * _FORGET_PASS + seconds
        self._rows2 = self._rows2 * _FORGET_PASS + rows * rows
        self._cross = self._cross * _FORGET_PASS + rows * seconds

    def verify(self, drafted: int) -> float:
        """Return seconds in which the large model verifies `drafted` tokens.

        0 of them: writes one.
        """
        one = self.alone.value or 0.0
        if drafted == 0:
            return one
        if not self._weight:
            return one * (1.0 + _SLOPE * drafted)
        rows, seconds = self._rows / self._weight, self._seconds / self._weight
        spread = self._rows2 - rows * self._rows
        slope = (self._cross - rows * self._seconds + _DOUBT * _SLOPE * one) / (spread + _DOUBT)
        return max(one, seconds + max(slope, 0.0) * (drafted + 1 - rows))


class TokenRate:
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
        """Note that a round brought `tokens` and took `seconds`."""
        self._rounds = self._rounds * self._forget + 1.0
        self._tokens = self._tokens * self._forget + tokens
        self._seconds = self._seconds * self._forget + seconds

    def token_s(self, before: float) -> float:
        """Return seconds a token; `before` there is evidence of it."""
        return self._seconds / self._tokens if self.known else before


class Experience:
    """Learnt by all answers that draft from one source; see DraftLength for what it is for."""

    def __init__(self) -> None:
        self.calibration = AcceptanceCalibration()
        self.all, self.drafted = (
            TokenRate(128.0),
            TokenRate(32.0),
        )  # of rounds with drafts or not, and with
        self.idle = math.inf  # tokens written without a draft since the last trial
        self.tried = 0  # rounds of the trial that goes on
        self.streak = 0  # rounds since a token was written alone
