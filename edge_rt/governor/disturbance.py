"""What the board draws beyond the model of its power, at the present setting."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MOST = 12  # looks that are taken together while nothing changes
_NOISE, _NOISE_W = 0.015, 0.01  # of a reading, at first
_LEAST, _LEAST_W = 0.002, 0.005
_NOISE_S = 10.0  # over which it is taken
_WILD = 9.0  # times the noise so far, that a single reading may count as
# Deviations by which the mean of the last one, two and three readings must differ from those
# before, to be a change and no noise.
_CHANGES = ((1, 4.5), (2, 4.0), (3, 3.6))
_DOUBTS = 2.2  # and deviations that are doubted, which are bounds rather than noise
_WORTH = 0.008  # of the power: smaller changes are not worth it
_RUN = 0.1  # how fast the length of runs of equal readings is followed


class Disturbance:
    """The mean of the errors since the last change, and its deviation.

    A disturbance observer with a test for changes: while nothing changes it averages, and a step
    of somebody else's load is taken up within a look or two. Its gain is never more than one, so
    that nothing winds up. Our own.
    """

    def __init__(self) -> None:
        self.value_w = 0.0
        self.noise_w2: float | None = None  # variance of a reading
        self.count = 0  # readings since the last change
        self._run = 1.0  # readings in a row that are equal: they are one
        self._equal = 1

    @property
    def deviation_w(self) -> float | None:
        """Of the value; None: nothing was read."""
        if self.noise_w2 is None or not self.count:
            return None
        return math.sqrt(self.noise_w2 * min(1.0, self._run / self.count))

    def clear(self) -> None:
        """Forget the errors; the noise of readings stays."""
        self.value_w, self.count = 0.0, 0

    def look(
        self,
        dt_s: float,
        power_w: float,
        errors: Sequence[float],
        doubts: Sequence[float],
        same: bool,
    ) -> float:
        """Take the errors of the last looks, the newest last; gives the step there, 0: none.

        The last one's reading was `power_w`, `same` if it equals the one before. `doubts` are
        variances beyond the noise. At least `count` + 1 errors, or all that there are.
        """
        self._repeat(same)
        if self.noise_w2 is None:
            self.noise_w2 = (_NOISE * power_w + _NOISE_W) ** 2
        before_w = self.value_w
        self.count = min(self.count + 1, _MOST, len(errors))
        jumped = self._changed(power_w, errors, doubts)
        if not jumped and len(errors) > 1:
            self._learn_noise(dt_s, power_w, errors, doubts)
        self.value_w = self._mean(errors, doubts)
        return self.value_w - before_w if jumped else 0.0

    def _repeat(self, same: bool) -> None:
        if same:
            self._equal += 1
            self._run = max(self._run, min(self._equal, _MOST))
        else:
            self._run += _RUN * (self._equal - self._run)
            self._equal = 1

    def _learn_noise(
        self, dt_s: float, power_w: float, errors: Sequence[float], doubts: Sequence[float]
    ) -> None:
        least_w2, noise_w2 = (_LEAST * power_w + _LEAST_W) ** 2, self.noise_w2 or 0.0
        found_w2 = (errors[-1] - errors[-2]) ** 2 / 2.0 - 0.5 * (doubts[-1] + doubts[-2])
        found_w2 = min(max(found_w2, least_w2), _WILD * noise_w2 + least_w2)
        self.noise_w2 = noise_w2 + min(1.0, dt_s / _NOISE_S) * (found_w2 - noise_w2)

    def _changed(self, power_w: float, errors: Sequence[float], doubts: Sequence[float]) -> bool:
        noise_w2 = (self.noise_w2 or 0.0) * self._run
        for size, limit in _CHANGES:
            if self.count <= size:
                break
            new, old = errors[-size:], errors[-self.count : -size]
            doubt_w2 = _share(doubts[-size:]) + _share(doubts[-self.count : -size])
            noise_w = math.sqrt(noise_w2 * (1.0 / size + 1.0 / len(old)))
            step_w = abs(sum(new) / size - sum(old) / len(old))
            least_w = limit * noise_w + _DOUBTS * math.sqrt(doubt_w2)
            if step_w > max(least_w, _WORTH * power_w):
                self.count = size
                return True
        return False

    def _mean(self, errors: Sequence[float], doubts: Sequence[float]) -> float:
        noise_w2 = self.noise_w2 or 1.0
        weights = [1.0 / (noise_w2 + doubt) for doubt in doubts[-self.count :]]
        return _sum(weights, errors[-self.count :]) / sum(weights)


def _share(doubts: Sequence[float]) -> float:
    """The variance of a mean of errors that are doubted."""
    return sum(doubts) / len(doubts) ** 2


def _sum(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum([weight * value for weight, value in zip(weights, values, strict=True)])


class Lag:
    """How late readings are: the one of several that explains best how they change."""

    TRIED_S = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
    _FIRST = 1
    _MOVES = 0.01  # of the power: smaller changes tell nothing
    _FADE = 0.03
    _BETTER = 0.85  # of the error so far, for another one to be taken

    def __init__(self) -> None:
        self._errors = [0.0] * len(self.TRIED_S)
        self._known, self._place = 0, self._FIRST

    @property
    def seconds(self) -> float:
        """As it is believed now."""
        return self.TRIED_S[self._place]

    def look(self, moved_w: float, shown: Sequence[float], before: Sequence[float]) -> None:
        """A reading `moved_w` away from the last; each lag tried would have gone from `before` to
        `shown`.
        """
        moves = [now - then for now, then in zip(shown, before, strict=True)]
        if max(moves) - min(moves) < self._MOVES * max(shown):
            return
        self._known += 1
        share = max(self._FADE, 1.0 / self._known)
        for place, move in enumerate(moves):
            self._errors[place] += share * ((moved_w - move) ** 2 - self._errors[place])
        best = min(range(len(moves)), key=lambda place: self._errors[place])
        if self._known > 5 and self._errors[best] < self._BETTER * self._errors[self._place]:
            self._place = best


class News:
    """Tells readings of a sensor from repetitions of the last one, which a slow sensor gives.

    A reading that stays while the model's power moves is old; one that stays while nothing moves
    may be new: chips read in steps.
    """

    _SLOW = 2.0  # looks to a reading from which on a sensor is slow
    _GAIN = 0.3
    _MOVES = 0.015  # of the power

    def __init__(self) -> None:
        self._usual, self._count = 1.0, 0  # looks to a reading, and since the last new one
        self._held_s = 0.0
        self._power_w: float | None = None
        self._values: list[float] = []  # of the model meanwhile

    @property
    def slow(self) -> bool:
        """Whether several looks share a reading."""
        return self._usual >= self._SLOW

    def span_s(self, dt_s: float, power_w: float, value_w: float) -> float:
        """Seconds that the reading of a look of `dt_s` covers; 0: it is an old one.

        By the model it was `value_w` in the look before.
        """
        self._count += 1
        self._held_s += dt_s
        self._values.append(value_w)
        if power_w == self._power_w:
            if not self.slow:
                self._values = self._values[-40:]
                return dt_s
            return 0.0 if self._count < 2.0 * self._usual + 1.0 else dt_s
        return self._changed(dt_s, power_w)

    def _changed(self, dt_s: float, power_w: float) -> float:
        moved_w = max(self._values) - min(self._values)
        if self._count == 1 or moved_w > self._MOVES * power_w:
            self._usual += self._GAIN * (min(self._count, 10) - self._usual)
        span_s = min(self._held_s, 2.0 * self._usual * dt_s) if self.slow else dt_s
        self._power_w, self._count, self._held_s = power_w, 0, 0.0
        self._values = []
        return span_s
