"""Observers of what the power model leaves open: its error, and how late and old readings are."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

_MOST = 12  # readings that are averaged at most while nothing changes
# Deviation of a reading, as a share of the power and in watts: the first guess, and the least.
_NOISE, _NOISE_W = 0.015, 0.01
_LEAST, _LEAST_W = 0.002, 0.005
_NOISE_S = 10.0  # time constant of the estimated noise
_WILD = 9.0  # times the variance so far, as which a single reading counts at most
# A change: the mean of the last readings, so many, differs from the mean before by so many
# deviations of the noise, and by so many of the doubts, which are bounds rather than noise.
_CHANGES = ((1, 4.5, 2.4), (2, 4.0, 1.9), (3, 3.6, 1.9), (5, 3.4, 1.7))
# Or: the last readings, so many, are further from as many or more before than from each other,
# whatever is doubted: errors of the delay do not last.
_APART = 3
_WORTH = 0.008  # least change, as a share of the power
_RUN = 0.1  # gain, for each reading, of the length of runs of equal readings
_GUESS_S = 0.1  # delay of a reading before one was measured
_RESTED_S, _LATEST_S = 1.0, 4.0  # shortest rest before a start that is measured; longest delay
_STEADY = 0.5  # least share of each look that the engine works meanwhile
_RISEN, _RISEN_LEAST = 0.3, 0.05  # rise of a reading, as a share of the engine's draw, or of rest


class Disturbance:
    """The mean of the errors since the last change, and its deviation.

    A disturbance observer with a test for changes: it averages while nothing changes, and takes up
    a step of another program's load within one to five readings, a large one sooner. Its gain is
    never above one, so that it cannot wind up. Our own.
    """

    def __init__(self) -> None:
        self.value_w = 0.0
        self.noise_w2: float | None = None  # variance of a reading
        self.count = 0  # readings since the last change
        self._jumped = False  # whether the last reading was the first one after a change
        self._from_w = 0.0  # value before the last change
        self._run = 1.0  # length of runs of equal readings, each of which counts as one
        self._equal = 1

    @property
    def deviation_w(self) -> float | None:
        """Standard deviation of the value; None: nothing was read."""
        if self.noise_w2 is None or not self.count:
            return None
        return math.sqrt(self.noise_w2 * min(1.0, self._run / self.count))

    def clear(self) -> None:
        """Forget the errors; the noise of readings stays."""
        self.value_w, self.count, self._jumped = 0.0, 0, False

    def look(
        self,
        dt_s: float,
        power_w: float,
        errors: Sequence[float],
        doubts: Sequence[float],
        same: bool,
    ) -> float:
        """Take the errors of the last readings, the newest last; returns the step there, 0: none.

        The step is returned with the next reading, too, which is the first to show the whole of it.
        `power_w` is the newest reading, `same` whether it equals the one before. `doubts` are the
        variances of the errors beyond the noise. `errors` are at least `count` + 1, or all there
        are.
        """
        self._repeat(same)
        if self.noise_w2 is None:
            self.noise_w2 = (_NOISE * power_w + _NOISE_W) ** 2
        if not self._jumped:  # else the reading before showed only a part of the change
            self.count = min(self.count + 1, _MOST)
        self.count = min(self.count, len(errors))
        jumped = self._changed(power_w, errors, doubts)
        if jumped:
            self._from_w = self.value_w
        steps = jumped or self._jumped
        if not steps and len(errors) > 1:
            self._learn_noise(dt_s, power_w, errors, doubts)
        self.value_w, self._jumped = self._mean(errors, doubts), jumped
        return self.value_w - self._from_w if steps else 0.0

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
        for size, noises, bounds in _CHANGES:
            if self.count <= size:
                break
            new, old = errors[-size:], errors[-self.count : -size]
            doubt_w2 = _share(doubts[-size:]) + _share(doubts[-self.count : -size])
            noise_w = math.sqrt(noise_w2 * (1.0 / size + 1.0 / len(old)))
            step_w = abs(sum(new) / size - sum(old) / len(old))
            least_w = noises * noise_w + bounds * math.sqrt(doubt_w2)
            if step_w > max(least_w, _WORTH * power_w):
                self.count = size
                return True
        if self.count < 2 * _APART or not _apart(errors[-_APART:], errors[-self.count : -_APART]):
            return False
        self.count = _APART
        return True

    def _mean(self, errors: Sequence[float], doubts: Sequence[float]) -> float:
        noise_w2 = self.noise_w2 or 1.0
        weights = [1.0 / (noise_w2 + doubt) for doubt in doubts[-self.count :]]
        return _sum(weights, errors[-self.count :]) / sum(weights)


def _share(doubts: Sequence[float]) -> float:
    """Return the variance of a mean, from the variances of what is averaged."""
    return sum(doubts) / len(doubts) ** 2


def _apart(new: Sequence[float], old: Sequence[float]) -> bool:
    """Return whether all of `new` are further from all of `old` than from each other."""
    gap_w = max(min(new) - max(old), min(old) - max(new))
    return gap_w > max(new) - min(new)


def _sum(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum([weight * value for weight, value in zip(weights, values, strict=True)])


class DelayMeter:
    """Measures how late readings are, whenever the engine begins to work after a rest.

    The delay is the time from the beginning until a reading has risen by a part of what the engine
    draws. Load that only varies tells nothing: passes beat with the sensor.
    """

    def __init__(self) -> None:
        self.seconds = _GUESS_S
        self._found: deque[float] = deque(maxlen=5)
        self._rested_s = self._rest_w = 0.0
        self._worked_s: float | None = None  # since the rest, while no reading shows it

    def look(self, dt_s: float, busy: float, draw_w: float, power_w: float, span_s: float) -> bool:
        """Take a look of `dt_s`; return whether readings do not show the engine's work yet.

        `draw_w` is what the engine draws without pauses, `power_w` a reading over `span_s`; 0: an
        old one.
        """
        if self._worked_s is not None:
            self._worked_s += dt_s
        elif self._begins(dt_s, busy, power_w):
            self._worked_s = busy * dt_s
        else:
            return False
        rise_w = max(_RISEN * draw_w, _RISEN_LEAST * self._rest_w)
        rose = span_s > 0.0 and power_w - self._rest_w > rise_w
        if rose:
            self._found.append(max(_GUESS_S, self._worked_s - max(dt_s, span_s)))
            self.seconds = median(self._found)
        if rose or busy < _STEADY or self._worked_s > _LATEST_S:
            self._worked_s = None
        return self._worked_s is not None

    def _begins(self, dt_s: float, busy: float, power_w: float) -> bool:
        """Return whether the engine begins to work, after a rest that was long enough."""
        if busy <= 0.0:
            self._rested_s += dt_s
            self._rest_w = power_w
            return False
        begins, self._rested_s = self._rested_s >= _RESTED_S, 0.0
        return begins


class News:
    """Tells new readings from repetitions of the last one, as a slow sensor gives them.

    An equal reading is old if the model's power moves meanwhile. If nothing moves it may be new:
    chips measure in steps.
    """

    _SLOW = 2.0  # looks for each reading, from which on a sensor is slow
    _GAIN = 0.3  # of that mean number of looks
    _MOVES = 0.015  # least move of the model's power, as a share
    _KEPT = 40  # values of the model that are kept while readings stay the same

    def __init__(self) -> None:
        self._usual, self._count = 1.0, 0  # looks for each reading, and since the last new one
        self._held_s = 0.0
        self._power_w: float | None = None
        self._values: list[float] = []  # of the model since the last new reading

    @property
    def slow(self) -> bool:
        """Whether several looks share a reading."""
        return self._usual >= self._SLOW

    def span_s(self, dt_s: float, power_w: float, value_w: float) -> float:
        """Return seconds that the reading of a look of `dt_s` covers; 0: it is an old reading.

        `value_w` is the model's power in the look before.
        """
        self._count += 1
        self._held_s += dt_s
        self._values.append(value_w)
        if power_w == self._power_w:
            if not self.slow:
                self._values = self._values[-self._KEPT :]
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
