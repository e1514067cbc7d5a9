"""An engine whose answers take the time and the watts that a formula says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge_rt.core.events import Delta, Finished, Started, Timings
from edge_rt.engine.protocol import EngineWork, WorkShare


@dataclass
class Formula:
    """Seconds and watts by threads; `noise` multiplies the seconds of one answer after another."""

    token_s: float = 0.004
    start_s: float = 0.01
    step_s: float = 0.02
    prefill_w: float = 5.0  # added by each thread
    decode_w: float = 2.0
    noise: tuple[float, ...] = (1.0,)

    def prefill_s(self, tokens: int, threads: int) -> float:
        return self.start_s + self.token_s * tokens / threads

    def decode_s(self, tokens: int, threads: int) -> float:
        return (tokens - 1) * self.step_s / threads


class Simulated(list[Any]):
    """The scripts of a house: one for each request, made of what was asked."""

    def __init__(self, house: Any, formula: Formula | None = None) -> None:
        super().__init__([None])
        self.formula = formula or Formula()
        self.made: list[tuple[int, int, int]] = []  # prompt, answer, threads
        self.before: Callable[[int], object] = lambda number: None  # is called with each request
        self._house = house
        house.senses.powered()
        house.scripts = self

    def pop(self, index: Any = 0) -> list[Any]:
        house, asked, formula = self._house, self._house.asked[-1], self.formula
        self.before(len(self.made))
        most = house.governor_loop.limits.threads
        threads = min(asked.threads or most, most)
        prompt, answer = len(asked.prompt), asked.max_tokens
        noise = formula.noise[len(self.made) % len(formula.noise)]
        self.made.append((prompt, answer, threads))
        prefill_s = noise * formula.prefill_s(prompt, threads)
        decode_s = noise * formula.decode_s(answer, threads)
        begin, first = house.now, house.now + prefill_s
        timings = Timings(0.0, prefill_s, decode_s, prompt, 0, answer)
        return [
            Started(0, prompt, 0),
            lambda: self._run(formula.prefill_w * threads, prefill_s),
            EngineWork(begin, first, [WorkShare(0, prefill_s, 0.0)]),
            Delta(0, 0, "x", [1]),
            lambda: self._run(formula.decode_w * threads, decode_s),
            EngineWork(first, first + decode_s, [WorkShare(0, 0.0, decode_s)]),
            Delta(0, 0, "y", list(range(1, answer))),
            Finished(0, 0, "length", timings),
        ]

    def _run(self, added_w: float, seconds: float) -> None:
        self._house.senses.read(self._house.idle_w + added_w, seconds)
