"""Prefill and decode of both sides by prompt and threads, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.table import Table

from benchlib.pair import GGUF, ONNX
from benchlib.pair_answers import Answer
from benchlib.pair_rounds import Found


@dataclass(frozen=True)
class Rate:
    """Tokens a second, round by round."""

    rounds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The rate of the least disturbed round."""
        return max(self.rounds)

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return median(self.rounds)

    def __str__(self) -> str:
        return f"{self.best:.1f} ({self.median:.1f})"


@dataclass(frozen=True)
class Speed:
    """One phase behind prompts of so many tokens, with so many threads, on both sides."""

    phase: str
    prompt_tokens: int
    threads: int
    gguf: Rate
    onnx: Rate

    @property
    def key(self) -> str:
        """Its name among the figures."""
        return f"{self.phase}_{self.prompt_tokens}_{self.threads}t"

    @property
    def of_best(self) -> float:
        """How many times as fast ONNX is in the best rounds."""
        return self.onnx.best / self.gguf.best

    @property
    def of_medians(self) -> float:
        """And by medians."""
        return self.onnx.median / self.gguf.median

    def details(self) -> dict[str, object]:
        """Everything about it as plain data."""
        return {**asdict(self), "ratio_best": self.of_best, "ratio_median": self.of_medians}


def speeds(found: Found, lengths: Sequence[int], counts: Sequence[int]) -> list[Speed]:
    """Return the speeds at each length and number of threads, those of prefill first."""

    def rates(phase: str, threads: int, length: int) -> tuple[Rate, Rate]:
        gguf, onnx = (found[name, threads, length] for name in (GGUF, ONNX))
        return _rate(gguf, phase), _rate(onnx, phase)

    return [
        Speed(phase, length, threads, *rates(phase, threads, length))
        for phase in ("prefill", "decode")
        for threads in counts
        for length in lengths
    ]


def _rate(answers: Sequence[Answer], phase: str) -> Rate:
    return Rate(tuple(_prefill(one) if phase == "prefill" else _decode(one) for one in answers))


def _prefill(made: Answer) -> float:
    return made.prompt_tokens / made.prefill.seconds


def _decode(made: Answer) -> float:
    return (len(made.until) - 1) / made.decode(len(made.until)).seconds


def ratios(found: Sequence[Speed]) -> Mapping[str, float]:
    """ONNX over GGUF in the best rounds, by name."""
    return {speed.key: speed.of_best for speed in found}


def table(found: Sequence[Speed]) -> Table:
    """For people."""
    made = Table(
        "tok/s, best (median)", "threads", "llama.cpp, GGUF", "ONNX", "ONNX / GGUF", "of medians"
    )
    for speed in found:
        made.add_row(
            f"{speed.phase}, {speed.prompt_tokens} tokens",
            str(speed.threads),
            str(speed.gguf),
            str(speed.onnx),
            f"{speed.of_best:.2f}",
            f"{speed.of_medians:.2f}",
        )
    return made
