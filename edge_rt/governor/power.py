"""What the board draws at a thread count and duty, learnt from what it drew."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.governor.belief import Belief
from edge_rt.governor.priors import Priors

_WINDOW_S, _LONG_S = 1.0, 4.0  # looks that are taken together, since readings are coarse
_AGAIN_S = 2.0  # after which long windows are taken again; short ones are at each look
_UNSTEADY = 0.3  # of what looks differ by may a mean of readings be off: they are no true means
_UNSTEADY_S, _BLUR = 5.0, 0.2  # over which that is taken, and what of it stays a doubt
_LATEST_S = 0.6  # that a reading may be late
_MOST_LOOKS = 40  # that are remembered
# Places: watts at rest, of waking up, of a core that others use, of one thread and on.
_BASE, _AWAKE, _OTHERS, _DRAWS = 0, 1, 2, 3
_OTHERS_SHARE, _OTHERS_OWN = 0.5, 0.5  # of one thread's draw: a core of others, and how unsure
_OTHERS_S = 0.5  # over which others' cores are taken
_SHARED, _OWN = 0.4, 0.05  # how wrong the priors' draws may be, all counts alike and each
_NOISE, _NOISE_W = 0.004, 0.01  # of a reading
_NOISE_S = 10.0  # over which unexplained errors are taken
_LASTING_S = 2.0  # over which their mean is: what lasts is no noise, and no hiccup
_DRIFT = 0.003  # of the power, by which the base may move in a second
_FORGET_S = 3000.0  # of work in which what was learnt of thread counts becomes a belief
_SURPRISE = 4.0  # deviations that mean that something else has begun to draw


@dataclass(frozen=True)
class _Look:
    dt_s: float
    threads: int
    busy_s: float
    power_w: float
    others: float


class PowerModel:
    """power = base + awake + other·others + draw[threads]·utilisation, learnt by a Kalman filter.

    The base drifts fast: it takes up whatever else the board does, so that the model has no
    lasting error at the settings in force. The draws change slowly. What one thread count teaches
    about the others comes from how the priors may be wrong: mostly all alike. Our own model.
    """

    def __init__(self, cores: int, priors: Priors) -> None:
        self._cores = cores
        draws = _draws(cores, priors)
        self._belief = Belief(
            [priors.idle_w, 0.0, _OTHERS_SHARE * draws[0], *draws],
            _covariance(priors.idle_w, draws),
        )
        self._others = 0.0
        self._noise_w2 = 0.0
        self._looks: deque[_Look] = deque(maxlen=_MOST_LOOKS)
        self._since_s = self._unsteady_w = self._lasting_w = 0.0

    @property
    def idle_w(self) -> float:
        """What the board draws while the engine does nothing."""
        mean = self._belief.mean
        return max(0.0, mean[_BASE] + mean[_OTHERS] * self._others)

    @property
    def idle_unsure_w(self) -> float:
        """Standard deviation of `idle_w`."""
        return self._belief.deviation({_BASE: 1.0, _OTHERS: self._others})

    def draw_w(self, threads: int) -> float:
        """What an engine that computes all the time adds on that many threads."""
        return max(0.01, self._belief.mean[self._place(threads)])

    def power_w(self, threads: int, utilisation: float) -> float:
        """Of an engine that computes that share of the time."""
        return self._floor_w(utilisation > 0.0) + self.draw_w(threads) * utilisation

    def unsure_w(self, threads: int, utilisation: float) -> float:
        """Standard deviation of `power_w`, and what readings of unsteady power may hide."""
        place = self._place(threads)
        weights = {_BASE: 1.0, _AWAKE: 1.0, _OTHERS: self._others, place: utilisation}
        return self._belief.deviation(weights) + _BLUR * self._unsteady_w

    def utilisation(self, threads: int, power_w: float) -> float:
        """The share of the time that brings the board to `power_w`; beyond 0 to 1 too."""
        return (power_w - self._floor_w(True)) / self.draw_w(threads)

    def learn(
        self,
        dt_s: float,
        threads: int,
        busy_s: float,
        power_w: float | None,
        others: float | None = None,
    ) -> None:
        """Take what was drawn in `dt_s` beside `others` cores; None: it could not be read."""
        cores = 0.0 if others is None else others
        self._others += min(1.0, dt_s / _OTHERS_S) * (cores - self._others)
        if power_w is None:
            self._looks.clear()
            return
        self._looks.append(_Look(dt_s, threads, busy_s, power_w, cores))
        if busy_s > 0.0:  # a board at rest shows nothing that might be learnt anew
            self._belief.fade(dt_s / _FORGET_S)
        self._belief.drift(_BASE, (_DRIFT * power_w) ** 2 * dt_s)
        self._since_s += dt_s
        self._update(_WINDOW_S, dt_s, dt_s)
        if self._since_s >= _AGAIN_S:
            self._update(_LONG_S, self._since_s, dt_s)
            self._since_s = 0.0

    def _update(self, window_s: float, again_s: float, dt_s: float) -> None:
        """Compare a window of looks; one is taken every `again_s`.

        A reading may be late by up to some looks: so far what it should show is not known.
        """
        size, latest = (max(1, round(seconds / dt_s)) for seconds in (window_s, _LATEST_S))
        if len(self._looks) < size + latest:
            return
        looks = list(self._looks)[-size - latest :]
        power_w = _mean_power_w(looks[latest:])
        belief = self._belief
        late = [self._weights(looks[k : k + size]) for k in range(latest + 1)]
        expected = [belief.value(weights) for weights in late]
        weights = late[latest // 2]
        error_w = power_w - belief.value(weights)
        alone = [belief.value(self._weights([look])) for look in looks]
        unsteady_w = _UNSTEADY * (max(alone) - min(alone)) * math.sqrt(_WINDOW_S / window_s)
        self._unsteady_w += min(1.0, dt_s / _UNSTEADY_S) * (unsteady_w - self._unsteady_w)
        again = max(1.0, window_s / again_s)  # as often comes the same error back
        unsure_w2 = again * (max(expected) - min(expected) + unsteady_w) ** 2
        variance = (_NOISE * power_w + _NOISE_W) ** 2 + unsure_w2 + self._noise_w2
        known = belief.deviation(weights) ** 2
        self._lasting_w += min(1.0, dt_s / _LASTING_S) * (error_w - self._lasting_w)
        usual_w2 = _SURPRISE**2 * (known + variance)
        if error_w**2 > usual_w2:
            if self._lasting_w**2 > usual_w2:
                belief.drift(_BASE, error_w**2)
        elif known < variance:  # else it is the belief that is wrong
            noise_w2 = max(0.0, (error_w - self._lasting_w) ** 2 - known - unsure_w2)
            self._noise_w2 += min(1.0, dt_s / _NOISE_S) * (noise_w2 - self._noise_w2)
        belief.correct(weights, power_w, variance)

    def _weights(self, looks: Sequence[_Look]) -> dict[int, float]:
        seconds = sum(look.dt_s for look in looks)
        weights = {_BASE: 1.0, _AWAKE: 0.0, _OTHERS: 0.0}
        for look in looks:
            place = self._place(look.threads)
            weights[place] = weights.get(place, 0.0) + look.busy_s / seconds
            weights[_OTHERS] += look.others * look.dt_s / seconds
            weights[_AWAKE] += look.dt_s / seconds if look.busy_s > 0.0 else 0.0
        return weights

    def _floor_w(self, awake: bool) -> float:
        return max(0.0, self.idle_w + (self._belief.mean[_AWAKE] if awake else 0.0))

    def _place(self, threads: int) -> int:
        return _DRAWS + max(1, min(threads, self._cores)) - 1


def _mean_power_w(looks: Sequence[_Look]) -> float:
    return sum(k.power_w * k.dt_s for k in looks) / sum(k.dt_s for k in looks)


def _draws(cores: int, priors: Priors) -> list[float]:
    """Watts of one thread, two and so on: what the priors name, or in proportion to the nearest."""
    known = priors.draws_w or {1: priors.core_w}

    def of(threads: int) -> float:
        near = min(known, key=lambda count: abs(count - threads))
        return known[near] * threads / near

    return [max(0.01, of(threads)) for threads in range(1, cores + 1)]


def _covariance(idle_w: float, draws: Sequence[float]) -> list[list[float]]:
    rows = [[0.0] * _DRAWS + [_SHARED**2 * a * b for b in draws] for a in draws]
    for k, draw_w in enumerate(draws):
        rows[k][_DRAWS + k] += (_OWN * draw_w) ** 2
    base, awake, other = (0.5 * idle_w + 0.5) ** 2, (0.05 * idle_w) ** 2, _OTHERS_OWN * draws[0]
    for place, variance in ((_BASE, base), (_AWAKE, awake), (_OTHERS, other**2)):
        rows.insert(place, [0.0] * (_DRAWS + len(draws)))
        rows[place][place] = variance
    return rows
