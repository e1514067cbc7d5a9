"""Which runs tell most of a model in the time that there is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST_LENGTHS = 2  # of prompts, without which there is nothing to fit
_STEEPER = 1.15  # exponent: longer prompts take more for each token
_ANSWER_SHARE = 0.15  # of the time left that one run's answer may take
_SHORTEST = 5  # tokens of an answer that still tell of its steps


@dataclass(frozen=True)
class Thoroughness:
    """How much is done. `lengths` are prompts in tokens; every run draws `answer` tokens, and one
    of them `long_answer`. `model_s` is for one thread count of a model, `total_s` for everything.
    """

    lengths: tuple[int, ...]
    rounds: int
    answer: int
    long_answer: int
    sweep_s: float  # for each kernel
    idle_s: float
    patience_s: float  # for a board that is too hot, or held back
    model_s: float
    total_s: float | None = None
    cools: bool = False  # whether the board is watched while it cools, for its leakage


QUICK = Thoroughness(
    lengths=(16, 64, 256, 512, 1024),
    rounds=3,
    answer=25,
    long_answer=97,
    sweep_s=0.7,
    idle_s=3.0,
    patience_s=5.0,
    model_s=45.0,
    total_s=50.0,
)
# The lengths of idealized runtime (arXiv 2305.02440), and one more in the middle.
FULL = Thoroughness(
    lengths=(1, 16, 32, 64, 128, 256, 512, 768, 1024, 1536, 1920),
    rounds=3,
    answer=49,
    long_answer=193,
    sweep_s=1.5,
    idle_s=5.0,
    patience_s=300.0,
    model_s=150.0,
    cools=True,
)


@dataclass(frozen=True)
class Run:
    """One answer to be made."""

    prompt_tokens: int
    completion_tokens: int


def runs(how: Thoroughness, context: int) -> list[Run]:
    """All runs worth making, the most telling first: every length once, then again."""
    lengths = [n for n in how.lengths if n + how.answer <= context] or [max(1, context // 2)]
    middle = lengths[len(lengths) // 3]
    longest = min(how.long_answer, context - middle)
    found: list[Run] = []
    for number in range(how.rounds):
        for length in lengths:
            long = number == 0 and length == middle
            found.append(Run(length, longest if long else min(how.answer, context - length)))
    return found


class Schedule:
    """Gives one run after the other, leaving out those that would take longer than is left."""

    def __init__(self, planned: Sequence[Run]) -> None:
        self._planned = list(planned)
        self._prefills: dict[int, list[float]] = {}
        self._steps: list[float] = []

    @property
    def enough(self) -> bool:
        """Whether what was made so far can be fitted."""
        return len(self._prefills) >= FEWEST_LENGTHS and bool(self._steps)

    @property
    def left_s(self) -> float:
        """What the runs that were not given yet will take, about."""
        return sum(self._seconds(run) for run in self._planned)

    def next(self, left_s: float) -> Run | None:
        """The next run for the `left_s` seconds that are left; None: there is none."""
        while self._planned:
            run = self._shortened(self._planned.pop(0), left_s)
            if self._seconds(run) <= left_s or not self.enough:
                return run
        return None

    def took(self, run: Run, prefill_s: float, decode_s: float) -> None:
        """Take how long a run took."""
        self._prefills.setdefault(run.prompt_tokens, []).append(prefill_s)
        if run.completion_tokens > 1:
            self._steps.append(decode_s / (run.completion_tokens - 1))

    @property
    def _step_s(self) -> float:
        return statistics.median(self._steps) if self._steps else 0.0

    def _shortened(self, run: Run, left_s: float) -> Run:
        if not self._steps:
            return run
        most = max(_SHORTEST, int(_ANSWER_SHARE * left_s / self._step_s))
        return Run(run.prompt_tokens, min(run.completion_tokens, most))

    def _seconds(self, run: Run) -> float:
        """About how long it will take."""
        if not self._prefills:
            return 0.0
        nearest = min(self._prefills, key=lambda n: abs(n - run.prompt_tokens))
        ratio = run.prompt_tokens / nearest
        longer = ratio**_STEEPER if ratio > 1.0 else 1.0
        prefill_s = statistics.median(self._prefills[nearest]) * longer
        return prefill_s + self._step_s * (run.completion_tokens - 1)


def shares_s(counts: Sequence[int], seconds: float) -> float:
    """The part of `seconds` that the first of these thread counts gets: fewer take longer."""
    weights = [1.0 / count for count in counts]
    return seconds * weights[0] / sum(weights)


def in_order(cores: int) -> list[int]:
    """Thread counts, the most telling first: all cores, one, and what lies between."""
    return list(dict.fromkeys([cores, 1, *range(2, cores)]))
