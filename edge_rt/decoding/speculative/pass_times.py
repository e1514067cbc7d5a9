"""What passes of two models take, learnt from those that were made."""

from __future__ import annotations

CLOSE = 8  # tokens to catch up on that a pass of the draft model takes along
_MEMORY = 16  # passes that an average is over
_FORGET = 1.0 - 1.0 / (2 * _MEMORY)
_OUTLIER = 2.0  # times what was expected: more is the machine's doing and counts as this much
_SLOPE = 0.3  # of a pass for one token: what each further one takes, before it is known
_DOUBT = 1.0  # how much that assumption weighs, in (rows from their mean)^2


class Average:
    """An average that forgets, and that single outliers do not carry away."""

    def __init__(self) -> None:
        self.value: float | None = None
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
        self._alone, self._draft, self._read = Average(), Average(), Average()
        self._weight = self._rows = self._seconds = self._rows2 = self._cross = 0.0

    @property
    def alone(self) -> float | None:
        """Seconds of a pass of the large model for one token; None: never seen."""
        return self._alone.value

    @property
    def draft(self) -> float | None:
        """Seconds of a pass of the draft model for one token; None: never seen."""
        return self._draft.value

    @property
    def read(self) -> float:
        """Seconds for which the draft model reads a token of many; 0: never seen."""
        return self._read.value or 0.0

    def alone_took(self, seconds: float) -> None:
        """A pass of the large model for one token."""
        self._alone.add(seconds)

    def draft_took(self, seconds: float) -> None:
        """A pass of the draft model that gave a guess, with at most CLOSE tokens to read."""
        self._draft.add(seconds)

    def read_took(self, tokens: int, seconds: float) -> None:
        """A pass of the draft model over `tokens` tokens that it had to catch up on."""
        self._read.add(seconds / max(tokens, 1))

    def verify_took(self, rows: int, seconds: float) -> None:
        """A pass of the large model over `rows` tokens, all but the first of them drafted."""
        if self._weight > 4.0:
            seconds = min(seconds, _OUTLIER * self.verify(rows - 1))
        self._weight = self._weight * _FORGET + 1.0
        self._rows = self._rows * _FORGET + rows
        self._seconds = self._seconds * _FORGET + seconds
        self._rows2 = self._rows2 * _FORGET + rows * rows
        self._cross = self._cross * _FORGET + rows * seconds

    def verify(self, drafted: int) -> float:
        """Seconds in which the large model verifies `drafted` tokens; 0 of them: writes one."""
        one = self._alone.value or 0.0
        if drafted == 0:
            return one
        if not self._weight:
            return one * (1.0 + _SLOPE * drafted)
        rows, seconds = self._rows / self._weight, self._seconds / self._weight
        spread = self._rows2 - rows * self._rows
        slope = (self._cross - rows * self._seconds + _DOUBT * _SLOPE * one) / (spread + _DOUBT)
        return max(one, seconds + max(slope, 0.0) * (drafted + 1 - rows))
