"""How long a timed model takes for a prompt and an answer, fitted to raw timings."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

Point = tuple[float, float]
FEWEST = 4  # points that tell of a slope
RISING = 0.75  # of the slopes between two of them


@dataclass(frozen=True)
class Runtime:
    """T(p, o) = F(p) + (o - 1)·β, the idealized runtime, for a model on one setting of a board.

    `prefill` is F: (prompt tokens, seconds to the first token), both rising; `step_s` is β. Ours:
    a step takes `step_context_s` longer for each token of context, and `pair_s` is what each pair
    of a new token and one that it looks back at costs: it bends F between its points and beyond
    them, and is for prompts behind cached tokens.
    """

    prefill: tuple[tuple[int, float], ...]
    step_s: float
    step_context_s: float = 0.0
    pair_s: float = 0.0

    def __post_init__(self) -> None:
        """ValueError where no runtime can be like that."""
        if not self.prefill:
            raise ValueError("prefill: no points")
        last_tokens, last_s = 0, 0.0
        for tokens, seconds in self.prefill:
            if not (tokens > last_tokens and last_s <= seconds < math.inf and seconds > 0):
                raise ValueError(f"prefill: ({tokens}, {seconds}) after ({last_tokens}, {last_s})")
            last_tokens, last_s = tokens, seconds
        for name in ("step_s", "step_context_s", "pair_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: {value}, expected 0 or more")

    def prefill_s(self, computed: float, cached: float = 0) -> float:
        """Return the seconds to read `computed` tokens behind `cached` ones and draw the first."""
        return self._table_s(computed) + self.pair_s * computed * cached

    def decode_s(self, steps: float, context: float) -> float:
        """Return the seconds of so many steps, at a mean context of so many tokens."""
        return steps * (self.step_s + self.step_context_s * context)

    def seconds(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return T(p, o) of a prompt of which nothing is cached."""
        mean = prompt_tokens + completion_tokens / 2
        return self.prefill_s(prompt_tokens) + self.decode_s(completion_tokens - 1, mean)

    def _table_s(self, tokens: float) -> float:
        first_tokens, first_s = self.prefill[0]
        if tokens <= first_tokens:  # in proportion, but never less than a step takes
            return max(min(self.step_s, first_s), first_s * tokens / first_tokens)
        if tokens >= self.prefill[-1][0]:
            return self._beyond_s(tokens)
        right = bisect_right(self.prefill, tokens, key=lambda point: point[0])
        return self._between_s(self.prefill[right - 1], self.prefill[right], tokens)

    def _between_s(self, left: Point, right: Point, tokens: float) -> float:
        """Interpolate below the straight line, as a quadratic does, and never fall."""
        (before, before_s), (after, after_s) = left, right
        span, rise_s = after - before, after_s - before_s
        bend_s = min(self.pair_s, 2.0 * rise_s / span**2)
        line_s = before_s + rise_s * (tokens - before) / span
        return line_s - bend_s * (tokens - before) * (after - tokens) / 2.0

    def _beyond_s(self, tokens: float) -> float:
        """Extend the slope of the last octave, with the attention's growth from its middle."""
        last, last_s = self.prefill[-1]
        base, base_s = next(
            (point for point in reversed(self.prefill[:-1]) if 2 * point[0] <= last), (0, 0.0)
        )
        more = tokens - last
        growth_s = self.pair_s * more * ((last - base) / 2 + more / 2)
        return last_s + (last_s - base_s) / (last - base) * more + growth_s


@dataclass(frozen=True)
class RunTiming:
    """One run of which nothing was cached: seconds to the first token, and from it to the last."""

    prompt_tokens: int
    completion_tokens: int
    prefill_s: float
    decode_s: float

    def __post_init__(self) -> None:
        """ValueError where no run can have been like that."""
        least = 1 if self.completion_tokens > 1 else 0
        decoded = self.decode_s > 0 if least else self.decode_s >= 0
        known = 0 < self.prefill_s < math.inf and decoded and self.decode_s < math.inf
        if self.prompt_tokens < 1 or self.completion_tokens < 1 or not known:
            raise ValueError(f"{self}: tokens and seconds must be positive")

    @property
    def seconds(self) -> float:
        """T(p, o)."""
        return self.prefill_s + self.decode_s


def fit_runtime(timings: Sequence[RunTiming]) -> Runtime:
    """Fit the runtime, by medians over trials; ValueError says which runs are missing.

    F is a table of medians, one for each length of prompts. Each length's slope of F tells of one
    pair more, as F = a + b·p + pair_s·p²/2, and each run's mean step of one token of context more.
    """
    if not timings:
        raise ValueError("timings: there are none")
    steps = [
        (t.prompt_tokens + t.completion_tokens / 2, t.decode_s / (t.completion_tokens - 1))
        for t in timings
        if t.completion_tokens > 1
    ]
    if not steps:
        raise ValueError("timings: none with completion_tokens of 2 or more, so no step is known")
    table = _rising(timings)
    slopes = [
        ((before + after) / 2, (after_s - before_s) / (after - before))
        for (before, before_s), (after, after_s) in pairwise(table)
    ]
    return Runtime(table, *_line(steps), pair_s=_line(slopes)[1] if len(slopes) > 1 else 0.0)


def fit_error(runtime: Runtime, timings: Iterable[RunTiming]) -> float:
    """Return the median relative error of T(p, o) over all timings."""
    told = ((runtime.seconds(t.prompt_tokens, t.completion_tokens), t.seconds) for t in timings)
    return median(abs(expected / took - 1.0) for expected, took in told)


def _rising(timings: Iterable[RunTiming]) -> tuple[tuple[int, float], ...]:
    """Return the closest table that never falls: neighbours that do share the mean of both."""
    trials: defaultdict[int, list[float]] = defaultdict(list)
    for one in timings:
        trials[one.prompt_tokens].append(one.prefill_s)
    pools: list[tuple[list[int], float]] = []
    for tokens in sorted(trials):
        pools.append(([tokens], median(trials[tokens])))
        while len(pools) > 1 and pools[-2][1] > pools[-1][1]:
            (before, before_s), (after, after_s) = pools[-2:]
            total_s = before_s * len(before) + after_s * len(after)
            pools[-2:] = [(before + after, total_s / len(before + after))]
    return tuple((tokens, seconds) for pool, seconds in pools for tokens in pool)


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
    return max(0.0, median(y - slope * x for x, y in points)), slope
