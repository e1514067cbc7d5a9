"""How long a timed model takes for a prompt and an answer."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass


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
        """Below the straight line, as what is quadratic is, and never falling."""
        (before, before_s), (after, after_s) = left, right
        span, rise_s = after - before, after_s - before_s
        bend_s = min(self.pair_s, 2.0 * rise_s / span**2)
        line_s = before_s + rise_s * (tokens - before) / span
        return line_s - bend_s * (tokens - before) * (after - tokens) / 2.0

    def _beyond_s(self, tokens: int) -> float:
        """On with the slope of the last octave, and the attention's growth from its middle on."""
        last, last_s = self.prefill[-1]
        base, base_s = next(
            (point for point in reversed(self.prefill[:-1]) if 2 * point[0] <= last), (0, 0.0)
        )
        more = tokens - last
        growth_s = self.pair_s * more * ((last - base) / 2 + more / 2)
        return last_s + (last_s - base_s) / (last - base) * more + growth_s
