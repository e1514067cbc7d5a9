"""The engine's pace: how fast it is now, and trials of other thread counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_rt.governor.budget import Budget
from edge_rt.governor.choice import Choice
from edge_rt.governor.limits import Observation
from edge_rt.governor.power import PowerModel
from edge_rt.governor.priors import Priors
from edge_rt.governor.speed import SpeedModel

_ENOUGH_S, _ENOUGH_TOKENS = 0.4, 8  # of decoding make a rate
_MOST_S = 4.0  # for a trial
_EVERY_S = 10.0  # between two trials, and soon after the world has changed
_SOON_S = 1.0
_WORTH = 1.03  # what a trial must promise
_HOPE = 1.5  # deviations that a thread count may be better than believed
_WHOLE = 0.99  # duty from which on passes are not paced
_RIPPLE = 0.01  # of the cap may a pass and its rest make a window uneven
_TINY_W = 1e-6
_PASS_S = (0.05, 1.0)  # shortest and longest pass that reads a prompt
_SHORT = 8  # tokens of a prompt in the shortest piece, and as long as no speed is known
_MIX_S = 20.0  # over which the mix of prompts and answers is taken
_MEMORY, _MEMORY_PROMPT = 0.25, 0.03  # of passes, that threads do not shorten


@dataclass
class _Rate:
    threads: int
    running: int
    seconds: float = 0.0
    tokens: float = 0.0

    @property
    def value(self) -> float | None:
        enough = self.seconds >= _ENOUGH_S and self.tokens >= _ENOUGH_TOKENS
        return self.tokens / self.seconds if enough else None


class Pace:
    """Learns speeds whenever thread counts change, and has them change where that may pay."""

    def __init__(self, cores: int, priors: Priors) -> None:
        # One by the cores that others leave: what is learnt beside others holds beside others.
        self._worlds = [SpeedModel(cores, _MEMORY, priors.speeds) for _ in range(cores)]
        self._decode = self._worlds[-1]
        self._prompt = SpeedModel(cores, _MEMORY_PROMPT, {})
        self.prompt_rate = 0.0  # tokens a second of reading on the present threads; 0: unknown
        self._reading = 0.0  # share of the busy time that reads prompts
        self._now: _Rate | None = None
        self._before: _Rate | None = None
        self._trial: int | None = None
        self._trial_s = 0.0
        self._rest_s = 0.0

    def speed(self, threads: int) -> float:
        """Of the present mix of prompts and answers, on that many threads."""
        reading = self._reading
        decode, prompt = self._decode.speed(threads), self._prompt.speed(threads)
        return 1.0 / ((1.0 - reading) / decode + reading / prompt)

    def look(self, seen: Observation, most: int) -> None:
        """Take what the engine did; others leave room for `most` threads."""
        if self._decode is not self._worlds[most - 1]:
            self._decode = self._worlds[most - 1]
            self._now = self._before = None
            self._rest_s = min(self._rest_s, _SOON_S)
        self._decode.fade(seen.dt_s)
        self._rest_s -= seen.dt_s
        self._trial_s += seen.dt_s
        if seen.busy_s <= 0.0:
            return
        share = 1.0 - math.exp(-seen.busy_s / _MIX_S)
        self._reading += share * (min(1.0, seen.prompt_s / seen.busy_s) - self._reading)
        self._read(seen)
        self._write(seen)

    def _read(self, seen: Observation) -> None:
        if seen.prompt_s > 0.02 and seen.prompt_tokens > 0:
            rate = seen.prompt_tokens / seen.prompt_s
            self.prompt_rate += (0.3 if self.prompt_rate else 1.0) * (rate - self.prompt_rate)

    def _write(self, seen: Observation) -> None:
        if seen.spare_s > 0.0:  # passes with fewer threads than there are tell nothing of those
            self._now = self._before = None
            return
        now = self._now
        if now is None or (now.threads, now.running) != (seen.threads, seen.running):
            same = now is not None and now.running == seen.running
            if same and now is not None and now.value is not None:
                self._before = now
            elif not same:
                self._before = None
            self._now = now = _Rate(seen.threads, seen.running)
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
            self._decode.compare(now.threads, rate, before.threads, before.value)
            self._before = None
        if now.seconds > 2.0 * _ENOUGH_S and now.tokens > 2 * _ENOUGH_TOKENS:
            now.seconds *= 0.5  # older time fades
            now.tokens *= 0.5

    def chunk(self, choice: Choice, power: PowerModel, cap: Budget) -> int | None:
        """The most prompt tokens of one pass: passes and rests must be even enough for the cap.

        None: any number.
        """
        if choice.duty <= 0.0:
            return None
        if cap.power_w is None:
            pass_s = _PASS_S[-1] if choice.duty < _WHOLE else math.inf
        else:
            full_w = power.power_w(choice.threads, 1.0) + power.unsure_w(choice.threads, 1.0)
            over_w = full_w - cap.power_w  # within a pass
            pass_s = _RIPPLE * cap.power_w * cap.power_window_s / max(over_w, _TINY_W)
        if math.isinf(pass_s):
            return None
        pass_s = min(max(pass_s, _PASS_S[0]), _PASS_S[1])
        return max(_SHORT, int(self.prompt_rate * pass_s))

    # --- trials

    def trial(self, found: Sequence[Choice], best: Choice, seen: Observation) -> Choice | None:
        """Another setting to try out for a moment, where that may pay."""
        if self._trial is not None:
            over = self._trial_s > _MOST_S or (
                seen.threads == self._trial
                and self._now is not None
                and self._now.threads == self._trial
                and self._now.value is not None
                and self._before is None
            )
            if over or not seen.running:
                self._trial = None
            return next((c for c in found if c.threads == self._trial), None)
        now = self._now
        ready = now is not None and now.threads == best.threads == seen.threads
        if self._rest_s > 0.0 or not ready or now is None or now.value is None:
            return None
        if not seen.running or seen.prompt_s > 0.0 or best.speed <= 0.0:
            return None
        self._rest_s = _EVERY_S
        hopes = [(self._hope(choice, best), choice) for choice in found if choice is not best]
        promise, choice = max(hopes, key=lambda hope: hope[0], default=(0.0, best))
        if promise <= _WORTH:
            return None
        self._trial, self._trial_s = choice.threads, 0.0
        return choice

    def _hope(self, choice: Choice, best: Choice) -> float:
        doubt = self._decode.doubt(choice.threads, best.threads)
        return choice.speed / best.speed * math.exp(_HOPE * doubt)
