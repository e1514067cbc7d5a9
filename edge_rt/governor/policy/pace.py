"""How fast the engine is at a setting, and the length of prompts' passes."""

from __future__ import annotations

import math

from edge_rt.board_model.model_cost import MEMORY, Phase, amdahl
from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Observation
from edge_rt.governor.policy.choice import OperatingPoint, best_pass_s
from edge_rt.governor.policy.setting import LOW_CLOCK, EngineSetting

_GPU_MEMORY = 2.0  # times the share of memory of a pass on cores: a GPU computes faster
_MOST_MEMORY = 0.9
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


def speed(phase: Phase, setting: EngineSetting) -> float:
    """Return 1 / (m + (1 - m)/(n·f)) with n threads at the share f of the top clock.

    m is the share of a pass that neither shortens; only ratios of speeds mean anything.
    """
    memory = MEMORY[phase]
    if setting.gpu is None:
        return 1.0 / amdahl(memory, setting.threads * max(LOW_CLOCK, setting.cpu))
    return 1.0 / amdahl(min(_MOST_MEMORY, _GPU_MEMORY * memory), max(LOW_CLOCK, setting.gpu))


def ratios(setting: EngineSetting, present: EngineSetting) -> tuple[float, float]:
    """Return the speeds of decoding and reading prompts as multiples of the `present` ones."""
    return (
        speed("decode", setting) / speed("decode", present),
        speed("prefill", setting) / speed("prefill", present),
    )


class Pace:
    """Learns how long passes take, and cuts prompts to the length that costs the least."""

    def __init__(self) -> None:
        self._token_s = 0.0  # of reading, times its speed: b of a pass of a + b·n; 0: unknown
        self._chunk: int | None = None  # the most prompt tokens of one pass; None: any number
        self.prompt_share = self._busy_s = 0.0  # share of the busy time that reads prompts
        self.pass_s = 0.0  # mean length of a pass that only decodes; 0: not known yet
        self.prompt_pass_s = 0.0  # length set for passes that read prompts; 0: any

    def look(self, seen: Observation, setting: EngineSetting) -> None:
        """Take the engine's work at `setting`."""
        if seen.busy_s <= 0.0:
            return
        self._busy_s += seen.busy_s
        share = max(1.0 - math.exp(-seen.busy_s / _MIX_S), seen.busy_s / self._busy_s)
        self.prompt_share += share * (min(1.0, seen.prompt_s / seen.busy_s) - self.prompt_share)
        if seen.prompt_s > _READ_S and seen.prompt_tokens > 0:
            token_s = seen.prompt_s / seen.prompt_tokens
            fixed_s = self.pass_s / self._chunk if self._chunk else 0.0
            own_s = max(token_s - fixed_s, _OWN_TIME * token_s) * speed("prefill", setting)
            self._token_s += (_SMOOTH_RATE if self._token_s else 1.0) * (own_s - self._token_s)
        if seen.prompt_s <= 0.0 and seen.tokens > 0 and seen.running:
            pass_s = seen.busy_s * max(1.0, seen.running) / seen.tokens
            self.pass_s += (_SMOOTH if self.pass_s else 1.0) * (pass_s - self.pass_s)

    def chunk(self, choice: OperatingPoint, cap: BudgetConfig) -> int | None:
        """Return the most prompt tokens of one pass, so that passes and rests fill windows evenly.

        None: any number.
        """
        pass_s = self._best_s(choice, cap)
        if pass_s is None:
            self.prompt_pass_s = 0.0
            self._chunk = None
            return None
        token_s = self._token_s / speed("prefill", choice.setting)
        tokens = max(_SHORT, int((pass_s - self.pass_s) / token_s) if token_s else 0)
        self.prompt_pass_s = self.pass_s + tokens * token_s if token_s else pass_s
        self._chunk = tokens
        return tokens

    def _best_s(self, choice: OperatingPoint, cap: BudgetConfig) -> float | None:
        if choice.duty <= 0.0:
            return None
        duty, window_s = choice.prompt_duty, cap.power_window_s
        if cap.power_w is None:
            return _PASS_S[-1] if duty < _WHOLE else None
        lost_s = self.pass_s or _USUAL_S
        pass_s = best_pass_s(duty, lost_s, max(_PART, self.prompt_share), window_s)
        return min(max(pass_s, _PASS_S[0]), _LONGEST * window_s)
