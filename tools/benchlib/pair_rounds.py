"""Both sides in strict turns: each answer right after the other's to the same prompt."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchlib.noise import Sample, Watch
from benchlib.pair import Side
from benchlib.pair_answers import Answer, answer
from edge_rt.daemon.calibration_plan import Run
from edge_rt.daemon.timing import WARM_UP

Found = dict[tuple[str, int, int], list[Answer]]
"""By the side's name, its threads and the tokens of the prompt: the answers, round by round."""


@dataclass
class Rounds:
    """Runs rounds and keeps what they find. `patience_s` is to wait for a quiet machine."""

    sides: Sequence[Side]
    patience_s: float
    say: Callable[[str], None]
    random: random.Random
    watch: Callable[[str, float], Watch] = Watch
    samples: list[Sample] = field(default_factory=list[Sample])
    _rounds: int = 0

    def run(self, label: str, runs: Sequence[Run], counts: Sequence[int], found: Found) -> None:
        """One round of all `runs` with each number of threads, into `found`.

        Who is first is the other one in every round.
        """
        order = self.sides if self._rounds % 2 == 0 else self.sides[::-1]
        self._rounds += 1
        begin_s, watch = time.monotonic(), self.watch(label, self.patience_s)
        begin_cpu_s = time.process_time()
        for threads in counts:
            self._prepare(threads)
            for run in runs:
                prompt = self._prompt(run.prompt_tokens)
                for side in order:
                    made = answer(side.backend, prompt, run.completion_tokens)
                    side.park()
                    found.setdefault((side.name, threads, run.prompt_tokens), []).append(made)
        self.samples.append(watch.finish(time.process_time() - begin_cpu_s))
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
