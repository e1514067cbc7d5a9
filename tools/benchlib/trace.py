"""What truly happened in a simulated run, step by step, and how it kept a cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_rt.core.limits import Limits

STEP_S = 0.1
_ROUNDING = 1.0 + 1e-9


@dataclass
class Trace:
    """One figure for each step of STEP_S seconds."""

    power_w: list[float] = field(default_factory=list[float])
    temp_c: list[float] = field(default_factory=list[float])
    throttle: list[int] = field(default_factory=list[int])
    tokens: list[int] = field(default_factory=list[int])
    read: list[int] = field(default_factory=list[int])  # tokens of prompts
    limits: list[Limits] = field(default_factory=list[Limits])

    def tokens_per_s(self, begin_s: float = 0.0, end_s: float | None = None) -> float:
        """Tokens of answers a second between two times."""
        part = self.tokens[steps(begin_s) : None if end_s is None else steps(end_s)]
        return sum(part) / (len(part) * STEP_S)

    def work_per_s(self, prompt_cost: float, begin_s: float = 0.0) -> float:
        """Tokens a second from `begin_s` on, where one of a prompt counts `prompt_cost`."""
        tokens, read = self.tokens[steps(begin_s) :], self.read[steps(begin_s) :]
        return (sum(tokens) + prompt_cost * sum(read)) / (len(tokens) * STEP_S)

    def windows_w(self, begin_s: float = 5.0, window_s: float = 1.0) -> list[float]:
        """Mean power of the sliding windows from `begin_s` on, one a step."""
        return window_means(self.power_w[steps(begin_s) :], steps(window_s))

    def under(self, cap_w: float, begin_s: float = 5.0, window_s: float = 1.0) -> float:
        """Share of the sliding windows from `begin_s` on whose mean is at or under `cap_w`."""
        means = self.windows_w(begin_s, window_s)
        return sum(mean <= cap_w * _ROUNDING for mean in means) / len(means)

    def mean_w(self, begin_s: float = 5.0) -> float:
        """Mean power from `begin_s` on."""
        powers = self.power_w[steps(begin_s) :]
        return sum(powers) / len(powers)

    @property
    def throttles(self) -> int:
        """How often the board slowed itself down further."""
        return sum(b > a for a, b in zip(self.throttle, self.throttle[1:], strict=False))


def window_means(powers: Sequence[float], size: int) -> list[float]:
    """Means of all `size` neighbours in a row."""
    total = sum(powers[:size])
    found = [total / size]
    for gone, come in zip(powers, powers[size:], strict=False):
        total += come - gone
        found.append(total / size)
    return found


def steps(time_s: float) -> int:
    """The number of steps in so many seconds."""
    return round(time_s / STEP_S)
