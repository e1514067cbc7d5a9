"""The engine's pace: how fast it is now, and trials of other settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.governor.budget import Budget
from edge_rt.governor.choice import Choice, best_pass_s
from edge_rt.governor.limits import Observation
from edge_rt.governor.priors import Priors
from edge_rt.governor.setting import Setting
from edge_rt.governor.speed import SpeedModel

_ENOUGH_S, _ENOUGH_TOKENS = 0.4, 8  # of decoding make a rate
_MOST_S = 4.0  # for a trial
_EVERY_S = 10.0  # between two trials, and soon after the world has changed
_SOON_S = 1.0
_WORTH = 1.03  # what a trial must promise
_NEAR_SPEED = 0.6  # of the best one must a setting have by what is believed
_HOPE = 1.5  # deviations that a setting may be better than believed
_WHOLE = 0.99  # duty from which on passes are not paced
_PASS_S = (0.02, 1.0)  # shortest and longest pass that reads a prompt
_LONGEST = 0.33  # of the cap's window
_PART = 0.1  # of the work that prompts are at least, if any come
_USUAL_S = 0.03  # of a pass that decodes, before there was one
_SHORT = 8  # tokens of a prompt in the shortest piece, and as long as no speed is known
_MIX_S = 20.0  # over which the mix of prompts and answers is taken
_MEMORY, _MEMORY_PROMPT = 0.25, 0.03  # of passes, that threads do not shorten
_SMOOTH = 0.2  # how fast the length of passes is followed


@dataclass
class _Rate:
    setting: Setting
    running: int
    seconds: float = 0.0
    tokens: float = 0.0

    @property
    def value(self) -> float | None:
        enough = self.seconds >= _ENOUGH_S and self.tokens >= _ENOUGH_TOKENS
        return self.tokens / self.seconds if enough else None


class Pace:
    """Learns speeds whenever settings change, and has them change where that may pay."""

    def __init__(self, cores: int, priors: Priors) -> None:
        # One by the cores that others leave: what is learnt beside others holds beside others.
        self._worlds = [SpeedModel(cores, _MEMORY, priors.speeds) for _ in range(cores)]
        self._decode = self._worlds[-1]
        self._prompt = SpeedModel(cores, _MEMORY_PROMPT, {})
        self._prompt_rate = 0.0  # tokens a second of reading, in units of its speed; 0: unknown
        self.reading = self._busy_s = 0.0  # share of the busy time that reads prompts
        self.pass_s = 0.0  # of a pass that only decodes; 0: not known yet
        self.prompt_pass_s = 0.0  # that passes which read prompts are to take; 0: any time
        self._now: _Rate | None = None
        self._before: _Rate | None = None
        self._trial: Setting | None = None
        self._trial_s = 0.0
        self._rest_s = 0.0

    def speed(self, setting: Setting) -> float:
        """Of decoding, in units of its own."""
        return self._decode.speed(setting)

    def ratios(self, setting: Setting, present: Setting) -> tuple[float, float]:
        """Decoding and reading prompts at `setting`, as multiples of those at the `present` one."""
        decode, prompt = self._decode, self._prompt
        return (
            decode.speed(setting) / decode.speed(present),
            prompt.speed(setting) / prompt.speed(present),
        )

    def look(self, seen: Observation, setting: Setting, most: int) -> None:
        """Take what the engine did at `setting`; others leave room for `most` threads."""
        if self._decode is not self._worlds[most - 1]:
            self._decode = self._worlds[most - 1]
            self._now = self._before = None
            self._rest_s = min(self._rest_s, _SOON_S)
        self._decode.fade(seen.dt_s)
        self._rest_s -= seen.dt_s
        self._trial_s += seen.dt_s
        if seen.busy_s <= 0.0:
            return
        self._busy_s += seen.busy_s
        share = max(1.0 - math.exp(-seen.busy_s / _MIX_S), seen.busy_s / self._busy_s)
        self.reading += share * (min(1.0, seen.prompt_s / seen.busy_s) - self.reading)
        self._read(seen, setting)
        self._write(seen, setting)

    def _read(self, seen: Observation, setting: Setting) -> None:
        if seen.prompt_s > 0.02 and seen.prompt_tokens > 0:
            rate = seen.prompt_tokens / seen.prompt_s / self._prompt.speed(setting)
            self._prompt_rate += (0.3 if self._prompt_rate else 1.0) * (rate - self._prompt_rate)

    def _write(self, seen: Observation, setting: Setting) -> None:
        if seen.prompt_s <= 0.0 and seen.tokens > 0 and seen.running:
            pass_s = seen.busy_s * max(1.0, seen.running) / seen.tokens
            self.pass_s += (_SMOOTH if self.pass_s else 1.0) * (pass_s - self.pass_s)
        if seen.spare_s > 0.0:  # passes with fewer threads than there are tell nothing of those
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
            now.seconds *= 0.5  # older time fades
            now.tokens *= 0.5

    def chunk(self, choice: Choice, cap: Budget) -> int | None:
        """The most prompt tokens of one pass: passes and rests must be even enough for the cap.

        None: any number.
        """
        pass_s = self._prompt_pass_s(choice, cap)
        if pass_s is None:
            self.prompt_pass_s = 0.0
            return None
        rate = self._prompt_rate * self._prompt.speed(choice.setting)
        tokens = max(_SHORT, int(rate * pass_s))
        self.prompt_pass_s = tokens / rate if rate else pass_s
        return tokens

    def _prompt_pass_s(self, choice: Choice, cap: Budget) -> float | None:
        if choice.duty <= 0.0:
            return None
        duty, window_s = choice.prompt_duty, cap.power_window_s
        if cap.power_w is None:
            return _PASS_S[-1] if duty < _WHOLE else None
        lost_s = self.pass_s or _USUAL_S
        pass_s = best_pass_s(duty, lost_s, max(_PART, self.reading), window_s)
        return min(max(pass_s, _PASS_S[0]), _LONGEST * window_s)

    # --- trials

    def trial(self, found: Sequence[Choice], best: Choice, seen: Observation) -> Choice | None:
        """Another setting to try out for a moment, where that may pay."""
        if self._trial is not None:
            now = self._now
            over = self._trial_s > _MOST_S or (
                now is not None
                and now.setting == self._trial
                and now.value is not None
                and self._before is None
            )
            if over or not seen.running:
                self._trial = None
            return next((c for c in found if c.setting == self._trial), None)
        now = self._now
        if self._rest_s > 0.0 or now is None or now.setting != best.setting or now.value is None:
            return None
        if not seen.running or seen.prompt_s > 0.0 or best.speed <= 0.0:
            return None
        self._rest_s = _EVERY_S
        near = [c for c in found if c is not best and c.speed > _NEAR_SPEED * best.speed]
        hopes = [(self._hope(choice, best), choice) for choice in near]
        promise, choice = max(hopes, key=lambda hope: hope[0], default=(0.0, best))
        if promise <= _WORTH:
            return None
        self._trial, self._trial_s = choice.setting, 0.0
        return choice

    def _hope(self, choice: Choice, best: Choice) -> float:
        doubt = self._decode.doubt(choice.setting, best.setting)
        return choice.speed / best.speed * math.exp(_HOPE * doubt)
