"""Both sides in strict turns: each answer right after the other's to the same prompt."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchlib.calm import Calm
from benchlib.noise import Sample, Watch
from benchlib.pair import Side
from benchlib.pair_answers import Answer, answer
from edge_rt.energy.calibration.timing import WARM_UP, TimingRun

Found = dict[tuple[str, int, int], list[Answer]]
"""By the side's name, its threads and the tokens of the prompt: the answers, round by round."""


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
