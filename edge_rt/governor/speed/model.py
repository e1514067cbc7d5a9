"""The engine's speed at each setting, learnt from the ratio of speeds at changes of setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edge_rt.governor.power.belief import Belief
from edge_rt.governor.speed.setting import LOW_CLOCK, Setting

# Deviations: of the priors, and of a comparison between two settings.
_SHARED = 0.3  # of the share of memory in a pass, common to all thread counts
_OWN = 0.05  # of the logarithm of the speed, from one thread count to the next
_CLOCK_OWN = 0.3  # of the effect of a clock
_NOISE = 0.02
_FORGET_S = 300.0  # time over which the covariance returns to that of the priors
_GPU_MEMORY = 2.0  # times the share of memory of a pass on cores: a GPU computes faster


class SpeedModel:
    """The logarithm of the speed by setting; only differences between settings mean anything.

    A pass takes m + (1 - m)/(n·f) on n threads at the share f of the top clock, with m the share
    of a pass that neither shortens; the clock's part of the effect is learnt. Our own model.
    """

    def __init__(self, cores: int, memory: float, known: Mapping[int, float]) -> None:
        """`memory` is m, 0 to 1; `known` are tokens a second where they were measured."""
        self._cores, self._memory = cores, memory
        counts = range(1, cores + 1)
        mean = [-math.log(_pass(memory, n)) for n in counts]
        if known:
            mean = [value + _offset(mean, known, n) for n, value in zip(counts, mean, strict=True)]
        slopes = [(n - 1) / (1.0 + memory * (n - 1)) for n in counts]
        self._belief = Belief([*mean, 1.0, 1.0], _covariance(slopes))

    def speed(self, setting: Setting) -> float:
        """Relative speed; only ratios mean anything."""
        return math.exp(self._belief.value(self._weights(setting)))

    def doubt(self, setting: Setting, other: Setting) -> float:
        """Standard deviation of the logarithm of the ratio between two settings."""
        return self._belief.deviation(self._apart(setting, other))

    def compare(self, setting: Setting, rate: float, other: Setting, other_rate: float) -> None:
        """Take the rates of two settings, measured one right after the other on the same work."""
        if setting != other and rate > 0.0 and other_rate > 0.0:
            ratio = math.log(rate / other_rate)
            self._belief.correct(self._apart(setting, other), ratio, _NOISE**2)
            for place in (self._cores, self._cores + 1):  # no clock slows a board down
                self._belief.keep_within(place, 0.0, 2.0)

    def fade(self, dt_s: float) -> None:
        """Let time pass."""
        self._belief.fade(dt_s / _FORGET_S)

    def _weights(self, setting: Setting) -> dict[int, float]:
        if setting.gpu is not None:
            memory = min(0.9, _GPU_MEMORY * self._memory)
            return {self._cores + 1: -math.log(_pass(memory, max(LOW_CLOCK, setting.gpu)))}
        threads = max(1, min(setting.threads, self._cores))
        slower = _pass(self._memory, threads * max(LOW_CLOCK, setting.cpu))
        return {
            threads - 1: 1.0,
            self._cores: math.log(_pass(self._memory, threads) / slower),
        }

    def _apart(self, setting: Setting, other: Setting) -> dict[int, float]:
        apart = self._weights(setting)
        for place, weight in self._weights(other).items():
            apart[place] = apart.get(place, 0.0) - weight
        return {place: weight for place, weight in apart.items() if weight}


def _pass(memory: float, speed: float) -> float:
    """Seconds of a pass, with `speed` times one core at its top clock."""
    return memory + (1.0 - memory) / speed


def _offset(mean: Sequence[float], known: Mapping[int, float], threads: int) -> float:
    near = min(known, key=lambda count: abs(count - threads))
    return math.log(max(1e-9, known[near])) - mean[max(1, min(near, len(mean))) - 1]


def _covariance(slopes: Sequence[float]) -> list[list[float]]:
    """The priors' covariance of the thread counts, and of the effects of the two clocks."""

    def of(i: int, j: int) -> float:
        if max(i, j) >= len(slopes):
            return _CLOCK_OWN**2 * (i == j)
        return _SHARED**2 * slopes[i] * slopes[j] + _OWN**2 * min(i, j)

    size = len(slopes) + 2
    return [[of(i, j) for j in range(size)] for i in range(size)]
