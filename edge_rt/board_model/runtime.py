"""How long a timed model takes for a prompt and an answer, fitted to runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from edge_rt.core.routing import Served

Point = tuple[float, float]
FEWEST = 4  # points that tell of a slope
RISING = 0.75  # of the slopes between two of them


@dataclass(frozen=True)
class Runtime:
    """The time that a model takes on one setting of a board.

    F(n, c) = step_s + token_s·(n - 1) + pair_s·n·(c + n/2)   to read n tokens behind c others
    D(m, k) = m·(step_s + step_context_s·k)                   m steps, at a mean context of k

    A pass moves the weights once, as a step does, and computes each further token of a prompt;
    `pair_s` is what each pair of a new token and one that it looks back at costs. After idealized
    runtime (arXiv 2305.02440), our formulas.
    """

    step_s: float
    token_s: float
    step_context_s: float = 0.0
    pair_s: float = 0.0

    def __post_init__(self) -> None:
        """ValueError where no runtime can be like that."""
        for name in ("step_s", "token_s", "step_context_s", "pair_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: {value}, expected 0 or more")
        if self.step_s + self.token_s == 0.0:
            raise ValueError("step_s and token_s: 0, expected more")

    def prefill_s(self, computed: float, cached: float = 0) -> float:
        """Return the seconds to read `computed` tokens behind `cached` ones and draw the first."""
        pairs = computed * (cached + computed / 2)
        return self.step_s + self.token_s * max(0.0, computed - 1) + self.pair_s * pairs

    def decode_s(self, steps: float, context: float) -> float:
        """Return the seconds of so many steps, at a mean context of so many tokens."""
        return steps * (self.step_s + self.step_context_s * context)

    def seconds(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return F + D of a prompt of which nothing is cached."""
        mean = prompt_tokens + completion_tokens / 2
        return self.prefill_s(prompt_tokens) + self.decode_s(completion_tokens - 1, mean)


def fit_runtime(runs: Sequence[Served]) -> Runtime:
    """Fit the runtime to runs of which nothing was cached; ValueError says which are missing.

    D/m = step_s + step_context_s·k                             over the contexts k
    (F - step_s)/(n - 1) = token_s + pair_s·n²/(2·(n - 1))      over the lengths n of prompts
    """
    steps = [
        (run.prompt_tokens + run.completion_tokens / 2, run.decode_s / (run.completion_tokens - 1))
        for run in runs
        if run.completion_tokens > 1
    ]
    if not steps:
        raise ValueError("runs: none with completion_tokens of 2 or more, so no step is known")
    step_s, step_context_s = _line(steps)
    tokens = [
        (n * n / (2 * (n - 1)), (run.prefill_s - step_s) / (n - 1))
        for run in runs
        if (n := run.prompt_tokens) > 1
    ]
    if not tokens:
        raise ValueError("runs: none with prompt_tokens of 2 or more, so no prompt is known")
    token_s, pair_s = _line(tokens)
    return Runtime(step_s, token_s, step_context_s, pair_s)


def fit_error(runtime: Runtime, runs: Iterable[Served]) -> float:
    """Return the median relative error of F + D over all runs."""
    return median(
        abs(runtime.seconds(run.prompt_tokens, run.completion_tokens) / took_s - 1.0)
        for run in runs
        if (took_s := run.prefill_s + run.decode_s) > 0.0
    )


def _line(points: Sequence[Point]) -> Point:
    """Return intercept and slope, neither below 0, by Theil and Sen: the median of all slopes.

    A few points that are far off, by whatever held a run up, do not move it. With fewer than FEWEST
    points, or where not three in four slopes rise, noise may be all that there is: a slope of 0.
    """
    slopes = [
        (y - y_before) / (x - x_before)
        for number, (x_before, y_before) in enumerate(points)
        for x, y in points[number + 1 :]
        if x != x_before
    ]
    rises = sum(slope > 0.0 for slope in slopes) >= RISING * len(slopes)
    slope = median(slopes) if slopes and rises and len(points) >= FEWEST else 0.0
    intercept = median(y - slope * x for x, y in points)
    return max(0.0, intercept), slope
