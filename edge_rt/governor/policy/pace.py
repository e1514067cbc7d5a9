"""The engine's speed, learnt at each change of setting, and the length of prompts' passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.board_model.model_cost import MEMORY, amdahl
from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Observation
from edge_rt.governor.policy.choice import OperatingPoint, best_pass_s
from edge_rt.governor.policy.setting import LOW_CLOCK, EngineSetting
from edge_rt.thermal.kalman import KalmanFilter

# Deviations: of the priors, and of a comparison between two settings.
_SHARED = 0.3  # of the share of memory in a pass, common to all thread counts
_OWN = 0.05  # of the logarithm of the speed, from one thread count to the next
_CLOCK_OWN = 0.3  # of the effect of a clock
_NOISE = 0.02
_FORGET_S = 300.0  # time over which the covariance returns to that of the priors
_GPU_MEMORY = 2.0  # times the share of memory of a pass on cores: a GPU computes faster
_ENOUGH_S, _ENOUGH_TOKENS = 0.4, 8  # least time and tokens of decoding that make a rate
_WHOLE = 0.99  # duty from which on there are no rests
_PASS_S = (0.02, 1.0)  # shortest and longest pass that reads a prompt
_LONGEST = 0.33  # and its longest share of the cap's window
_PART = 0.1  # least share of the work that reads prompts
_USUAL_S = 0.03  # length of a pass that decodes, before there was one
_SHORT = 8  # prompt tokens of the shortest pass, and while the speed is not known
_MIX_S = 20.0  # busy time over which the mix of prompts and answers is averaged
_SMOOTH, _SMOOTH_RATE = 0.2, 0.3  # gains of the mean length of passes, and of the prompts' rate
_OWN_TIME = 0.1  # least share of a pass that grows with its tokens
_READ_S = 0.02  # least time of reading that makes a rate


class SpeedModel:
    """The logarithm of the speed by setting; only differences between settings mean anything.

    A pass takes m + (1 - m)/(n·f) on n threads at the share f of the top clock, with m the share
    of a pass that neither shortens; the clock's part of the effect is learnt. Our own model.
    """

    def __init__(self, cores: int, memory: float) -> None:
        """`memory` is m, 0 to 1."""
        self._cores, self._memory = cores, memory
        counts = range(1, cores + 1)
        mean = [-math.log(amdahl(memory, n)) for n in counts]
        slopes = [(n - 1) / (1.0 + memory * (n - 1)) for n in counts]
        self._belief = KalmanFilter([*mean, 1.0, 1.0], _covariance(slopes))

    def speed(self, setting: EngineSetting) -> float:
        """Relative speed; only ratios mean anything."""
        return math.exp(self._belief.value(self._weights(setting)))

    def compare(
        self, setting: EngineSetting, rate: float, other: EngineSetting, other_rate: float
    ) -> None:
        """Take the rates of two settings, measured one right after the other on the same work."""
        if setting != other and rate > 0.0 and other_rate > 0.0:
            ratio = math.log(rate / other_rate)
            self._belief.correct(self._apart(setting, other), ratio, _NOISE**2)
            for place in (self._cores, self._cores + 1):  # no clock slows a board down
                self._belief.keep_within(place, 0.0, 2.0)

    def fade(self, dt_s: float) -> None:
        """Make the learnt speeds less certain, as `dt_s` seconds have passed."""
        self._belief.fade(dt_s / _FORGET_S)

    def _weights(self, setting: EngineSetting) -> dict[int, float]:
        if setting.gpu is not None:
            memory = min(0.9, _GPU_MEMORY * self._memory)
            return {self._cores + 1: -math.log(amdahl(memory, max(LOW_CLOCK, setting.gpu)))}
        threads = max(1, min(setting.threads, self._cores))
        slower = amdahl(self._memory, threads * max(LOW_CLOCK, setting.cpu))
        return {
            threads - 1: 1.0,
            self._cores: math.log(amdahl(self._memory, threads) / slower),
        }

    def _apart(self, setting: EngineSetting, other: EngineSetting) -> dict[int, float]:
        apart = self._weights(setting)
        for place, weight in self._weights(other).items():
            apart[place] = apart.get(place, 0.0) - weight
        return {place: weight for place, weight in apart.items() if weight}


def _covariance(slopes: Sequence[float]) -> list[list[float]]:
    """Return the priors' covariance of the thread counts, and of the effects of the two clocks."""

    def of(i: int, j: int) -> float:
        if max(i, j) >= len(slopes):
            return _CLOCK_OWN**2 * (i == j)
        return _SHARED**2 * slopes[i] * slopes[j] + _OWN**2 * min(i, j)

    size = len(slopes) + 2
    return [[of(i, j) for j in range(size)] for i in range(size)]


@dataclass
class _Rate:
    setting: EngineSetting
    running: int
    seconds: float = 0.0
    tokens: float = 0.0

    @property
    def value(self) -> float | None:
        enough = self.seconds >= _ENOUGH_S and self.tokens >= _ENOUGH_TOKENS
        return self.tokens / self.seconds if enough else None


class Pace:
    """Learns speeds at changes of settings, and how long passes take."""

    def __init__(self, cores: int) -> None:
        # One for each number of cores that others leave: speeds learnt beside others hold there.
        self._decodes = [SpeedModel(cores, MEMORY["decode"]) for _ in range(cores)]
        self._decode = self._decodes[-1]
        self._prompt = SpeedModel(cores, MEMORY["prefill"])
        self._token_s = 0.0  # of reading, times its speed: b of a pass of a + b·n; 0: unknown
        self._chunk: int | None = None  # the most prompt tokens of one pass; None: any number
        self.prompt_share = self._busy_s = 0.0  # share of the busy time that reads prompts
        self.pass_s = 0.0  # mean length of a pass that only decodes; 0: not known yet
        self.prompt_pass_s = 0.0  # length set for passes that read prompts; 0: any
        self._now: _Rate | None = None
        self._before: _Rate | None = None

    def speed(self, setting: EngineSetting) -> float:
        """Relative speed of decoding; only ratios of speeds mean anything."""
        return self._decode.speed(setting)

    def ratios(self, setting: EngineSetting, present: EngineSetting) -> tuple[float, float]:
        """Return decoding and reading prompts at `setting`, as multiples of the `present` one."""
        decode, prompt = self._decode, self._prompt
        return (
            decode.speed(setting) / decode.speed(present),
            prompt.speed(setting) / prompt.speed(present),
        )

    def look(self, seen: Observation, setting: EngineSetting, most: int) -> None:
        """Take the engine's work at `setting`; other programs leave room for `most` threads."""
        if self._decode is not self._decodes[most - 1]:
            self._decode = self._decodes[most - 1]
            self._now = self._before = None
        self._decode.fade(seen.dt_s)
        if seen.busy_s <= 0.0:
            return
        self._busy_s += seen.busy_s
        share = max(1.0 - math.exp(-seen.busy_s / _MIX_S), seen.busy_s / self._busy_s)
        self.prompt_share += share * (min(1.0, seen.prompt_s / seen.busy_s) - self.prompt_share)
        self._learn_prompts(seen, setting)
        self._learn_decoding(seen, setting)

    def _learn_prompts(self, seen: Observation, setting: EngineSetting) -> None:
        if seen.prompt_s > _READ_S and seen.prompt_tokens > 0:
            token_s = seen.prompt_s / seen.prompt_tokens
            fixed_s = self.pass_s / self._chunk if self._chunk else 0.0
            own_s = max(token_s - fixed_s, _OWN_TIME * token_s) * self._prompt.speed(setting)
            self._token_s += (_SMOOTH_RATE if self._token_s else 1.0) * (own_s - self._token_s)

    def _learn_decoding(self, seen: Observation, setting: EngineSetting) -> None:
        if seen.prompt_s <= 0.0 and seen.tokens > 0 and seen.running:
            pass_s = seen.busy_s * max(1.0, seen.running) / seen.tokens
            self.pass_s += (_SMOOTH if self.pass_s else 1.0) * (pass_s - self.pass_s)
        if seen.spare_s > 0.0:  # these passes used fewer threads than the setting has
            self._now = self._before = None
            return
        now = self._now
        if now is None or (now.setting, now.running) != (setting, seen.running):
            same = now is not None and now.running == seen.running
            if same and now is not None and now.value is not None:
                self._before = now
            elif not same:
                self._before = None
            self._now = now = _Rate(setting, seen.running)
        decode_s = seen.busy_s - seen.prompt_s
        if decode_s > 0.0 and seen.prompt_s <= 0.0:
            now.seconds += decode_s
            now.tokens += seen.tokens
        self._compare(now)

    def _compare(self, now: _Rate) -> None:
        if (rate := now.value) is None:
            return
        before = self._before
        if before is not None and before.value is not None:
            self._decode.compare(now.setting, rate, before.setting, before.value)
            self._before = None
        if now.seconds > 2.0 * _ENOUGH_S and now.tokens > 2 * _ENOUGH_TOKENS:
            now.seconds *= 0.5  # older passes fade
            now.tokens *= 0.5

    def chunk(self, choice: OperatingPoint, cap: BudgetConfig) -> int | None:
        """Return the most prompt tokens of one pass, so that passes and rests fill windows evenly.

        None: any number.
        """
        pass_s = self._prompt_pass_s(choice, cap)
        if pass_s is None:
            self.prompt_pass_s = 0.0
            self._chunk = None
            return None
        token_s = self._token_s / self._prompt.speed(choice.setting)
        tokens = max(_SHORT, int((pass_s - self.pass_s) / token_s) if token_s else 0)
        self.prompt_pass_s = self.pass_s + tokens * token_s if token_s else pass_s
        self._chunk = tokens
        return tokens

    def _prompt_pass_s(self, choice: OperatingPoint, cap: BudgetConfig) -> float | None:
        if choice.duty <= 0.0:
            return None
        duty, window_s = choice.prompt_duty, cap.power_window_s
        if cap.power_w is None:
            return _PASS_S[-1] if duty < _WHOLE else None
        lost_s = self.pass_s or _USUAL_S
        pass_s = best_pass_s(duty, lost_s, max(_PART, self.prompt_share), window_s)
        return min(max(pass_s, _PASS_S[0]), _LONGEST * window_s)
