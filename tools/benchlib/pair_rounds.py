"""Both sides in strict turns: each answer right after the other's to the same prompt."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from benchlib.noise import OTHERS_LIMIT, CpuTimes, Sample, Watch, busy_cores, cpu_times
from benchlib.pair import Side
from benchlib.pair_answers import Answer, answer
from edge_rt.energy.calibration.timing import WARM_UP, TimingRun

_LOOK_S = 0.5

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass
class Calm:
    """Has patience for `left_s` seconds in all, in which things are done again or not yet.

    What is still disturbed when they are over counts as `disturbed`.
    """

    left_s: float
    clock: Clock = time.perf_counter
    cpu: Clock = time.process_time
    times: Callable[[], CpuTimes] = cpu_times
    sleep: Callable[[float], None] = time.sleep
    done: int = 0
    disturbed: int = 0

    def make(self, what: Callable[[], T]) -> T:
        """What comes of `what` where others use no more than OTHERS_LIMIT cores meanwhile."""
        while True:
            made, others, took_s = self._observed(what)
            if others <= OTHERS_LIMIT or self.left_s <= 0.0:
                self.done += 1
                self.disturbed += others > OTHERS_LIMIT
                return made
            self.left_s -= took_s
            self._wait()

    def _wait(self) -> None:
        others = 1.0
        while others > OTHERS_LIMIT and self.left_s > 0.0:
            _, others, took_s = self._observed(lambda: self.sleep(_LOOK_S))
            self.left_s -= took_s

    def _observed(self, what: Callable[[], T]) -> tuple[T, float, float]:
        """What comes of it, the cores that others used meanwhile, and the seconds."""
        before, begin_s, begin_cpu_s = self.times(), self.clock(), self.cpu()
        made = what()
        took_s = self.clock() - begin_s
        others = busy_cores(before, self.times(), took_s, self.cpu() - begin_cpu_s)
        return made, others, took_s


Found = dict[tuple[str, int, int], list[Answer]]
"""The answers, round by round, by the side's name, its threads and the prompt's tokens."""


@dataclass
class Rounds:
    """Runs rounds and keeps what they find.

    `patience_s` is to wait for a quiet machine before each, and once more within each, to repeat
    what other processes disturbed; `disturbed` of all `pairs` were in the end.
    """

    sides: Sequence[Side]
    patience_s: float
    say: Callable[[str], None]
    random: random.Random
    watch: Callable[[str, float], Watch] = Watch
    calm: Callable[[float], Calm] = Calm
    samples: list[Sample] = field(default_factory=list[Sample])
    pairs: int = 0
    disturbed: int = 0

    def run(
        self, label: str, runs: Sequence[TimingRun], counts: Sequence[int], found: Found
    ) -> None:
        """One round of all `runs` with each number of threads, into `found`.

        Who is first is the other one in every round.
        """
        rounds = max(map(len, found.values()), default=0)  # that there were
        order = self.sides if rounds % 2 == 0 else self.sides[::-1]
        begin_s, watch = time.monotonic(), self.watch(label, self.patience_s)
        begin_cpu_s, calm = time.process_time(), self.calm(self.patience_s)
        for threads in counts:
            self._prepare(threads)
            for run in runs:
                prompt = self._prompt(run.prompt_tokens)
                made = calm.make(lambda p=prompt, r=run: _both(order, p, r.completion_tokens))
                for side, one in zip(order, made, strict=True):
                    found.setdefault((side.name, threads, run.prompt_tokens), []).append(one)
        self.samples.append(watch.finish(time.process_time() - begin_cpu_s))
        self.pairs += calm.done
        self.disturbed += calm.disturbed
        self.say(f"{label} took {time.monotonic() - begin_s:.0f} s")

    def _prepare(self, threads: int) -> None:
        """Change to so many threads, which takes time that is no answer's."""
        for side in self.sides:
            side.backend.set_threads(threads)
            answer(side.backend, self._prompt(WARM_UP.prompt_tokens), WARM_UP.completion_tokens)
            side.park()

    def _prompt(self, tokens: int) -> list[int]:
        """Tokens without a meaning: what they say takes no other time."""
        vocab = min(side.backend.vocab for side in self.sides)
        return [self.random.randrange(vocab) for _ in range(tokens)]


def _both(order: Sequence[Side], prompt: Sequence[int], completion_tokens: int) -> list[Answer]:
    made: list[Answer] = []
    for side in order:
        made.append(answer(side.backend, prompt, completion_tokens))
        side.park()
    return made
