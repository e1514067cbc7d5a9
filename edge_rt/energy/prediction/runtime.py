"""How long a timed model takes for a prompt and an answer, fitted to raw timings."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from edge_rt.energy.prediction.equation import nnls


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

    def prefill_s(self, computed: int, cached: int = 0) -> float:
        """Seconds to read `computed` tokens behind `cached` ones and draw the first token."""
        return self._table_s(computed) + self.pair_s * computed * cached

    def decode_s(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Seconds from the first token of the answer to the last."""
        steps = max(0, completion_tokens - 1)
        mean = prompt_tokens + completion_tokens / 2  # of the context, over all steps
        return steps * (self.step_s + self.step_context_s * mean)

    def seconds(self, prompt_tokens: int, completion_tokens: int) -> float:
        """T(p, o) of a prompt of which nothing is cached."""
        return self.prefill_s(prompt_tokens) + self.decode_s(prompt_tokens, completion_tokens)

    def _table_s(self, tokens: int) -> float:
        first_tokens, first_s = self.prefill[0]
        if tokens <= first_tokens:  # in proportion, but never less than a step takes
            return max(min(self.step_s, first_s), first_s * tokens / first_tokens)
        if tokens >= self.prefill[-1][0]:
            return self._beyond_s(tokens)
        right = bisect_right(self.prefill, tokens, key=lambda point: point[0])
        return self._between_s(self.prefill[right - 1], self.prefill[right], tokens)

    def _between_s(self, left: tuple[int, float], right: tuple[int, float], tokens: int) -> float:
        """Interpolate below the straight line, as a quadratic does, and never fall."""
        (before, before_s), (after, after_s) = left, right
        span, rise_s = after - before, after_s - before_s
        bend_s = min(self.pair_s, 2.0 * rise_s / span**2)
        line_s = before_s + rise_s * (tokens - before) / span
        return line_s - bend_s * (tokens - before) * (after - tokens) / 2.0

    def _beyond_s(self, tokens: int) -> float:
        """Extend the slope of the last octave, with the attention's growth from its middle."""
        last, last_s = self.prefill[-1]
        base, base_s = next(
            (point for point in reversed(self.prefill[:-1]) if 2 * point[0] <= last), (0, 0.0)
        )
        more = tokens - last
        growth_s = self.pair_s * more * ((last - base) / 2 + more / 2)
        return last_s + (last_s - base_s) / (last - base) * more + growth_s


Key = TypeVar("Key", bound=Hashable)

_ASKED = 4.0  # t², from which on residuals ask for a slope
_ROUNDING = 1e-9  # a relative residual below it is none
_CURVED = 4  # points of the table that are needed to tell its curvature


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


@dataclass(frozen=True)
class FitErrors:
    """Relative errors of T(p, o) over all timings.

    `held_out_ratio` is the median over runs of prompts in the middle, each predicted without the
    runs of prompts as long as its own; None with fewer than three lengths.
    """

    median_ratio: float
    held_out_ratio: float | None


@dataclass(frozen=True)
class RuntimeFit:
    """The runtime, by medians over trials, and its errors."""

    promise: Runtime
    errors: FitErrors


def fit_runtime(timings: Sequence[RunTiming]) -> RuntimeFit:
    """Fit the runtime; ValueError says which runs are missing.

    A run tells F(p) by its first token, so runs with one token apart are not needed for it.
    """
    if not timings:
        raise ValueError("timings: there are none")
    promise = _fit(timings)
    return RuntimeFit(promise, _errors(promise, timings))


def _fit(timings: Sequence[RunTiming]) -> Runtime:
    seen = _medians((t.prompt_tokens, t.prefill_s) for t in timings)
    table = _rising([(tokens, seconds, count) for tokens, (seconds, count) in sorted(seen.items())])
    step_s, step_context_s = _steps(timings)
    return Runtime(table, step_s, step_context_s, _pair_s(table))


def _medians(values: Iterable[tuple[Key, float]]) -> dict[Key, tuple[float, int]]:
    """The median of all values of a key, and how many there were."""
    groups: defaultdict[Key, list[float]] = defaultdict(list)
    for key, value in values:
        groups[key].append(value)
    return {key: (median(group), len(group)) for key, group in groups.items()}


def _rising(points: Sequence[tuple[int, float, int]]) -> tuple[tuple[int, float], ...]:
    """The closest table that never falls: neighbours that do share their mean, by their counts."""
    pools: list[tuple[list[int], float, int]] = []
    for tokens, seconds, count in points:
        pools.append(([tokens], seconds, count))
        while len(pools) > 1 and pools[-2][1] > pools[-1][1]:
            (before, before_s, many), (after, after_s, more) = pools[-2:]
            mean_s = (before_s * many + after_s * more) / (many + more)
            pools[-2:] = [(before + after, mean_s, many + more)]
    return tuple((tokens, seconds) for pool, seconds, _ in pools for tokens in pool)


def _steps(timings: Sequence[RunTiming]) -> tuple[float, float]:
    """β, and its growth with the context where the residuals ask for that.

    Residuals are relative to the measured seconds, so that a run that was held up weighs less.
    """
    decoded = [t for t in timings if t.completion_tokens > 1]
    if not decoded:
        raise ValueError("timings: none with completion_tokens of 2 or more, so no step is known")
    keys = _medians(((t.prompt_tokens, t.completion_tokens), t.decode_s) for t in decoded)
    rows: list[tuple[float, float]] = []
    targets: list[float] = []
    for (prompt, completion), (seconds, count) in keys.items():
        weight = math.sqrt(count)
        steps = weight * (completion - 1) / seconds
        rows.append((steps, steps * (prompt + completion / 2)))
        targets.append(weight)
    (flat_s,) = nnls([row[:1] for row in rows], targets)
    step_s, step_context_s = nnls(rows, targets)
    flat = _squares(rows, targets, flat_s, 0.0)
    sloped = _squares(rows, targets, step_s, step_context_s)
    return (step_s, step_context_s) if _asks(flat, sloped, targets) else (flat_s, 0.0)


def _squares(
    rows: Sequence[tuple[float, float]], targets: Sequence[float], step_s: float, slope_s: float
) -> float:
    return math.fsum(
        (step * step_s + context * slope_s - target) ** 2
        for (step, context), target in zip(rows, targets, strict=True)
    )


def _asks(flat: float, sloped: float, targets: Sequence[float]) -> bool:
    """Whether the slope's t² is large, and not one of rounding."""
    free = len(targets) - 2
    noise = _ROUNDING**2 * math.fsum(target**2 for target in targets)
    return free > 0 and flat - sloped > _ASKED * sloped / free + noise


def _pair_s(table: Sequence[tuple[int, float]]) -> float:
    """The curvature of F = a + b·p + pair_s·p²/2, by relative least squares."""
    if len(table) < _CURVED:
        return 0.0
    rows = [(1.0 / s, p / s, p * p / 2 / s) for p, s in table]
    return nnls(rows, [1.0] * len(table))[2]


def _errors(promise: Runtime, timings: Sequence[RunTiming]) -> FitErrors:
    ratios = [_error(promise, timing) for timing in timings]
    lengths = sorted({t.prompt_tokens for t in timings})
    held_out = [ratio for length in lengths[1:-1] for ratio in _held_out(timings, length)]
    return FitErrors(median(ratios), median(held_out) if held_out else None)


def _held_out(timings: Sequence[RunTiming], length: int) -> list[float]:
    others = [t for t in timings if t.prompt_tokens != length]
    if all(t.completion_tokens < 2 for t in others):
        return []
    without = _fit(others)
    return [_error(without, t) for t in timings if t.prompt_tokens == length]


def _error(runtime: Runtime, timing: RunTiming) -> float:
    return abs(runtime.seconds(timing.prompt_tokens, timing.completion_tokens) / timing.seconds - 1)
