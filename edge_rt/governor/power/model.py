"""The board's power by setting and by load, learnt from readings."""

from __future__ import annotations

import math

from edge_rt.governor.policy.setting import BoardLoad, EngineSetting
from edge_rt.governor.power.draws import BASE, HIDDEN, OWN, STIRS, PowerTerms, Priors, mean
from edge_rt.governor.power.measured import PowerObserver

_LEARNT_S = 1.0  # age from which on a look is learnt from: its passes have ended by then
_NOISE, _NOISE_W = 0.004, 0.01  # added to a reading's deviation: share of the power, and watts
_HIDDEN_S = 60.0  # time constant with which the unexplained power decays to 0
_HIDDEN_DRIFT = 0.004  # its deviation after a second, as a share of the power
_BASE_DRIFT = 0.0005  # the same of the power at rest
_FORGET_S = 3000.0  # seconds of work over which the covariance returns to that of the priors
_OWN = 0.35  # least share of the engine's predicted draw that it really draws
_REST, _REST_S = 0.1, 60.0  # relative deviation of the power seen at rest, over so long a time
_RESTS, _GUESSES = (0.6, 1.15), (0.4, 3.0)  # bounds: times the power seen at rest, or the prior
_LEAST_REST = 0.95  # least power at rest, as a share of the lowest that was seen there
_ALONE = 0.5  # cores of other programs, below which rest shows the power at rest
_LOWEST_S = 1.0  # length of the mean of which the lowest is kept
_RISE = 0.0005  # relative rise of that lowest mean in a second, so that it can be forgotten
_VALUED = 24  # newest looks, whose watts are computed again after each correction
_PRESENT_S = 1.0  # time constant of the present load
_TINY_W = 0.01


class PowerModel:
    """The board's power: at rest, by other programs, and by the engine's phases and setting.

    A Kalman filter learns the figures of `PowerTerms` slowly. After each correction the figures are
    projected into their bounds, so that those which the load does not tell apart cannot drift
    off. A disturbance observer follows the error that remains at the present setting, so that the
    prediction there agrees with the measurement.
    """

    def __init__(self, cores: int, priors: Priors) -> None:
        self._draws = PowerTerms(cores, priors)
        self._belief = self._draws.belief()
        self._measured = PowerObserver(lambda load: self.draw_w(load.setting, load.prompt_share))
        self._present: dict[int, float] = {}  # weights of the mean load
        self._load = BoardLoad(EngineSetting(cores), 0.0)
        self._lowest_w = math.inf  # lowest mean power that was read
        self._guess_w = priors.idle_w
        self._lowest_rest_w: float | None = None  # the same while the engine did nothing
        self._idle_most_w = math.inf
        self.idle_w = priors.idle_w  # what the board draws while the engine does nothing

    @property
    def idle_deviation_w(self) -> float:
        """Standard deviation of `idle_w`."""
        return self._deviation(self._idle_weights)

    @property
    def present_deviation_w(self) -> float:
        """Standard deviation of the power under the present load."""
        return self._deviation(self._present)

    @property
    def delay_s(self) -> float:
        """How late readings are."""
        return self._measured.delay_s

    @property
    def step_w(self) -> float:
        """The step by which other programs' power rose in the last look; 0: there was none."""
        return self._measured.step_w

    def draw_w(self, setting: EngineSetting, prompt_share: float = 0.0) -> float:
        """Return watts of an engine at work all the time, `prompt_share` of it for prompts."""
        return max(_TINY_W, self._belief.value(self._draws.own(setting, 1.0, prompt_share)))

    def rest_w(self, setting: EngineSetting) -> float:
        """Return watts of the pauses between passes at the clock of `setting`."""
        there = self._belief.value(self._draws.weights(self._at(setting, 0.0, 0.0)))
        return max(0.0, self.idle_w + there - self._belief.value(self._idle_weights))

    def power_w(self, setting: EngineSetting, busy: float, prompt_share: float = 0.0) -> float:
        """Return the board's watts if the engine computes for the share `busy` of the time."""
        return self.rest_w(setting) + self.draw_w(setting, prompt_share) * busy

    def deviation_w(self, setting: EngineSetting, busy: float, prompt_share: float = 0.0) -> float:
        """Return the standard deviation of `power_w`."""
        return self._deviation(self._draws.weights(self._at(setting, busy, prompt_share)))

    def utilisation(
        self, setting: EngineSetting, power_w: float, prompt_share: float = 0.0
    ) -> float:
        """Return the share of the time at work that gives `power_w`; may be below 0 or above 1."""
        return (power_w - self.rest_w(setting)) / self.draw_w(setting, prompt_share)

    def recent(self) -> list[float]:
        """Return watts of the last looks, the newest last."""
        return self._measured.recent()

    def learn(
        self, dt_s: float, load: BoardLoad, power_w: float | None, behind_s: float = 0.0
    ) -> None:
        """Take the mean power of a look of `dt_s` under `load`; None: it could not be read.

        `behind_s` is how long before the look the passes that ended in it had begun.
        """
        self._load = load
        if power_w is None:
            self._lose()
        weights = self._draws.weights(load)
        expected_w = self._belief.value(weights) + self._measured.local_w
        self._measured.add(dt_s, load, power_w, weights, expected_w)
        for look in self._measured.timeline.spread(behind_s, load.prompt_share):
            look.weights = self._draws.weights(look.load)
        self._follow(dt_s)
        self._learn()
        for look in self._measured.timeline.looks[-_VALUED:]:
            look.value_w = self._belief.value(look.weights)
        self._measured.observe()
        self._bound_idle()
        idle_w = self._belief.value(self._idle_weights)
        seen_w, guessed_w = self._lowest_rest_w, _GUESSES[0] * self._guess_w
        least_w = guessed_w if seen_w is None else _LEAST_REST * seen_w
        self.idle_w = min(max(least_w, idle_w + self._measured.local_w), self._idle_most_w)

    def _bound_idle(self) -> None:
        """Bound the idle power by the power that was read."""
        looks, seconds, joules, own_j = self._measured.timeline.looks, 0.0, 0.0, 0.0
        alone = True
        for index in range(len(looks) - 1, -1, -1):
            look = looks[index]
            if seconds >= _LOWEST_S:
                break
            if look.power_w is None:
                continue
            seconds += look.span_s
            joules += look.power_w * look.span_s
            for share, part in self._measured.shown(index):
                load = part.load
                alone = alone and load.cores < _ALONE
                own_j += (
                    share * look.span_s * self.draw_w(load.setting, load.prompt_share) * load.busy
                )
        if seconds < _LOWEST_S:
            return
        self._idle_most_w = max(0.0, joules - _OWN * own_j) / seconds
        rise = 1.0 + _RISE * looks[-1].dt_s
        self._lowest_w = min(self._lowest_w * rise, joules / seconds)
        if own_j <= 0.0 and alone:
            before_w = math.inf if self._lowest_rest_w is None else self._lowest_rest_w
            self._lowest_rest_w = min(before_w * rise, joules / seconds)
        if self._lowest_rest_w is not None:  # others may have drawn power at that rest
            self._lowest_rest_w = min(self._lowest_rest_w, self._lowest_w)

    def _learn(self) -> None:
        """Correct the figures by the looks that are old enough."""
        looks, age_s = self._measured.timeline.looks, 0.0
        ready: list[int] = []
        for index in range(len(looks) - 1, -1, -1):
            if looks[index].learnt:
                break
            if age_s >= _LEARNT_S:
                ready.append(index)
            age_s += looks[index].dt_s
        for index in reversed(ready):
            self._correct(index)

    def _correct(self, index: int) -> None:
        look, belief = self._measured.timeline.looks[index], self._belief
        look.learnt = True
        if look.power_w is None:
            return
        power_w = look.power_w
        if look.load.busy > 0.0:  # rest teaches nothing of the engine's figures: keep them
            belief.fade(look.span_s / _FORGET_S)
        belief.revert(HIDDEN, look.span_s / _HIDDEN_S)
        belief.drift(HIDDEN, (_HIDDEN_DRIFT * power_w) ** 2 * look.span_s + look.jump_w**2)
        belief.drift(BASE, (_BASE_DRIFT * power_w) ** 2 * look.span_s)
        if self._lowest_rest_w is not None:  # so that work does not move it
            rest_w2 = (_REST * self._lowest_rest_w) ** 2
            belief.correct({BASE: 1.0}, self._lowest_rest_w, rest_w2 * _REST_S / look.span_s)
        parts = self._measured.shown(index)
        if not parts:
            return
        noise_w2 = self._measured.noise_w**2 + (_NOISE * power_w + _NOISE_W) ** 2
        weights = mean([(share, part.weights) for share, part in parts])
        model_w2 = look.doubt_w2 + self._measured.mixed_w2(index)
        belief.correct(weights, power_w, 2.0 * noise_w2 + model_w2)
        self._draws.keep_possible(belief, self._rest(), self._hidden_most_w(weights, power_w))

    def _rest(self) -> tuple[float, float]:
        """Bounds of the power at rest, around the power that was seen there or the prior's."""
        low, high = _RESTS if self._lowest_rest_w is not None else _GUESSES
        rest_w = self._guess_w if self._lowest_rest_w is None else self._lowest_rest_w
        return min(low * rest_w, self._lowest_w), min(high * rest_w, self._lowest_w)

    def _own_w(self, weights: dict[int, float]) -> float:
        return self._belief.value({k: w for k, w in weights.items() if k in OWN})

    def _hidden_most_w(self, weights: dict[int, float], power_w: float) -> float:
        own_w = max(0.0, self._own_w(weights))
        return max(0.0, power_w - self._belief.mean[BASE] - _OWN * own_w)

    def _deviation(self, weights: dict[int, float]) -> float:
        """Deviation of a load's power; from that of the present load, where that is measured."""
        local_w = self._measured.local_deviation_w
        if local_w is None:
            return self._belief.deviation(weights)
        apart = mean([(1.0, weights), (-1.0, self._present)])
        return math.hypot(self._belief.deviation(apart), local_w)

    def _at(self, setting: EngineSetting, busy: float, prompt_share: float) -> BoardLoad:
        return BoardLoad(setting, busy, prompt_share, self._load.cores, self._load.gpu)

    @property
    def _idle_weights(self) -> dict[int, float]:
        """The weights of the power without the engine, beside what other programs do now."""
        load = self._load
        idle = BoardLoad(load.setting, 0.0, 0.0, load.cores, load.gpu, awake=load.cores > STIRS)
        return self._draws.weights(idle)

    def _follow(self, dt_s: float) -> None:
        share = min(1.0, dt_s / _PRESENT_S)
        newest = self._measured.timeline.looks[-1].weights
        self._present = mean([(1.0 - share, self._present), (share, newest)])

    def _lose(self) -> None:
        """Take the unexplained power to go on while nothing can be read."""
        self._belief.mean[HIDDEN] += self._measured.lose()
