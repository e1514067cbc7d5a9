"""What the engine did since it started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edge_rt.engine.supervisor.heartbeat import Heartbeat


@dataclass
class Tally:
    """Counters that only grow, of all models and those that are gone; Pong tells them.

    What is done just now is noted in `beat`.
    """

    steps: int = 0  # iterations of the decode loop
    step_s: float = 0.0  # seconds in them
    native_s: float = 0.0  # of these, seconds inside the backends' forward passes
    read_s: float = 0.0  # of these, the part of prompts, by rows of the batch
    rest_s: float = 0.0  # seconds between iterations that the duty imposed
    spare_s: float = 0.0  # of native_s, times the threads that requests had no use for
    gpu_s: float = 0.0  # part of native_s in passes of models with layers on a GPU
    gpu_busy_s: float = 0.0  # part of gpu_s by the share of each model's layers there
    drawn: int = 0  # tokens of answers
    read: int = 0  # tokens of prompts that were fed to a model
    beat: Heartbeat = field(default_factory=Heartbeat)

    def passed(
        self,
        seconds: float,
        rows: Iterable[tuple[int, int, bool]],
        spare: int = 0,
        gpu_share: float = 0.0,
    ) -> None:
        """Count one pass; a row is a request, its number of tokens, and whether it is decoding.

        It used `spare` threads fewer than it might have, and a GPU for so much of the layers.
        """
        rows = list(rows)
        read = sum(count for _, count, decoding in rows if not decoding)
        self.took(seconds, gpu_share)
        self.spare_s += seconds * spare
        self.read_s += seconds * read / sum(count for _, count, _ in rows)
        self.read += read

    def took(self, seconds: float, gpu_share: float = 0.0) -> None:
        """Count the seconds of one pass, with so much of the model's layers on a GPU."""
        self.native_s += seconds
        self.gpu_s += seconds if gpu_share else 0.0
        self.gpu_busy_s += seconds * gpu_share
        self.beat.pass_is_over(self.native_s, self.gpu_busy_s, self.gpu_s)
