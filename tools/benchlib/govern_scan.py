"""Constant settings, thread count by thread count and duty by duty, and which of them keep a cap.

A setting is served by the real engine for some seconds. What of it a board would have drawn or how
hot it would have got is had by feeding a simulated board what processors the setting used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchlib.govern import cores
from benchlib.govern_turns import Span, Turn
from benchlib.looks import Look
from benchlib.sim_board import SimBoard, even, replay

Setting = tuple[int, float]  # threads and duty
Keeps = Callable[["Constant"], bool]

FULL: Setting = (cores(), 1.0)
SETTLE_S, MEASURE_S = 1.0, 4.0
_PARTS = 3  # into which a gap between two duties is parted


@dataclass(frozen=True)
class Constant:
    """A setting as it was served: its speed, and busy cores step by step."""

    threads: int
    duty: float
    tokens_per_s: float
    busy_cores: Sequence[float]

    @property
    def mean_cores(self) -> float:
        """Busy cores on average."""
        return sum(self.busy_cores) / len(self.busy_cores)

    def on(self, board: SimBoard, seconds: float) -> list[Look]:
        """What `board` would do under this setting for so long."""
        return replay(board, self.busy_cores, seconds)

    def plain(self) -> dict[str, float]:
        """For the report."""
        speed, cores = self.tokens_per_s, self.mean_cores
        return {"threads": self.threads, "duty": self.duty, "tokens_per_s": speed, "cores": cores}


def grid(cores: int, step: float) -> list[Setting]:
    """Every thread count with every duty, in an order that no drift of the machine follows."""
    count = round(1.0 / step)
    settings = [(n, round(k * step, 4)) for n in range(1, cores + 1) for k in range(1, count + 1)]
    random.Random(0).shuffle(settings)
    return settings


async def serve(
    turn: Turn,
    settings: Sequence[Setting],
    settle_s: float = SETTLE_S,
    seconds: float = MEASURE_S,
) -> list[Constant]:
    """Serve one setting after the other while answers stream, each for so long."""
    if not settings:
        return []
    times: list[tuple[float, float]] = []
    async with turn.stream():
        for setting in settings:
            turn.fix(*setting)
            times.append(await turn.watch(settle_s, seconds))
        turn.fix(*FULL)  # soon to the end
    return [constant(*pair) for pair in zip(settings, map(turn.span, times), strict=True)]


def constant(setting: Setting, span: Span) -> Constant:
    """What was seen of a setting."""
    return Constant(*setting, span.tokens_per_s, even(span.looks))


def best(constants: Iterable[Constant], keeps: Keeps) -> Constant | None:
    """The fastest of those that keep it; None where none does."""
    falling = sorted(constants, key=lambda one: one.tokens_per_s, reverse=True)
    return next((one for one in falling if keeps(one)), None)


def finer(constants: Iterable[Constant], keeps: Keeps) -> list[Setting]:
    """Settings between the highest duty that keeps it and the next one, for each thread count.

    Of thread counts that could not be the fastest even with the next one, none.
    """
    found: list[Setting] = []
    fastest = best(constants := list(constants), keeps)
    for threads, served in sorted(_by_threads(constants).items()):
        low = next((one.duty for one in reversed(served) if keeps(one)), 0.0)
        over = next((one for one in served if one.duty > low), None)
        if over is None or (fastest and over.tokens_per_s < fastest.tokens_per_s):
            continue
        gap = (over.duty - low) / _PARTS
        found += [(threads, round(low + gap * part, 4)) for part in range(1, _PARTS)]
    return found


def _by_threads(constants: Iterable[Constant]) -> Mapping[int, list[Constant]]:
    found: dict[int, list[Constant]] = {}
    for one in sorted(constants, key=lambda one: one.duty):
        found.setdefault(one.threads, []).append(one)
    return found
