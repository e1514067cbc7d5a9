"""Requests from whose answers predictions learn, and the factors that correct predictions."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from statistics import median

import msgspec

from edge_rt.core.requests import Cost
from edge_rt.core.routing import Served
from edge_rt.decoding.params import Mode
from edge_rt.energy.prediction.equation import Watts, spend
from edge_rt.energy.usage import RequestUsage
from edge_rt.models.record import ModelRecord

Learn = Callable[[ModelRecord, int, Served, Mode], object]
"""Takes a model, its threads, what its answer took, and the mode in which that was made."""


def fewest(asked: int | None, most: int) -> int:
    """The threads of a request that asks for so many, None: for all, where `most` may be."""
    return most if asked is None else min(asked, most)


class OnlineUpdate:
    """One request under way; `pure` as long as it has the engine, and its threads, to itself.

    It has asked for `asked` threads, and has `threads`.
    """

    def __init__(self, threads: int, pure: bool, asked: int | None = None) -> None:
        self.threads, self.pure, self.asked = threads, pure, asked


class OnlineUpdates:
    """Follows every request and learns from those that allow it.

    A request teaches if no other was there at the same time, it had one answer, and its thread
    count stayed the same.
    """

    def __init__(self, learn: Learn, threads: Callable[[], int]) -> None:
        """`learn` takes what came; `threads` are those that the engine may use now."""
        self._learn, self._threads = learn, threads
        self._open: set[OnlineUpdate] = set()

    @contextmanager
    def attend(self, answers: int, threads: int | None = None) -> Generator[OnlineUpdate]:
        """Follow a request for so many answers while the block runs; `threads` as in Generate."""
        alone = answers == 1 and not self._open
        update = OnlineUpdate(fewest(threads, self._threads()), alone, threads)
        for other in self._open:
            other.pure = False
        self._open.add(update)
        try:
            yield update
        finally:
            self._open.discard(update)

    def look(self, update: OnlineUpdate) -> None:
        """Check whether the request still has its threads to itself."""
        threads = fewest(update.asked, self._threads())
        update.pure = update.pure and threads == update.threads

    def end(
        self,
        update: OnlineUpdate,
        entry: ModelRecord,
        usage: RequestUsage,
        cost: Cost,
        mode: Mode,
    ) -> Served | None:
        """Learn from a request that has ended, and return its figures; None: nothing was learnt."""
        self.look(update)
        account = usage.account
        if not update.pure or usage.redone or usage.own.completion < 1:
            return None
        if account is None or account.torn:
            return None
        tokens, bill = usage.own, account.bill
        measured = bill is not None and not bill.modelled  # what a price made of it tells nothing
        served = Served(
            tokens.prompt,
            tokens.cached,
            tokens.completion,
            account.prefill_s,
            account.decode_s,
            cost.energy_j if measured else None,
            0.0 if usage.constraint is None else usage.constraint.wait_s,
        )
        self._learn(entry, update.threads, served, mode)
        return served


KEPT = 9  # factors; what is older is forgotten
_JUDGED = 15  # misses
_FARTHEST = 1e6  # a factor beyond it is a broken clock
_FEW = 4  # tokens, below which what goes on around a pass counts for more than the pass


def add_factor(logs: list[float], actual: float, expected: float) -> None:
    """Add the logarithm of actual/expected; what is not above 0 teaches nothing."""
    if _comparable(actual, expected):
        logs.append(math.log(actual / expected))
        del logs[:-KEPT]


def factor(logs: Sequence[float], doubts: Iterable[float] = ()) -> float | None:
    """Return the median factor, with `doubts` as more of them; None where there are none at all.

    A median follows a lasting change after half the factors that are kept, and an answer that was
    held up a hundredfold by other programs does not move it.
    """
    known = [*logs, *(math.log(doubt) for doubt in doubts)]
    return math.exp(median(known)) if known else None


def add_miss(ratios: list[float], actual: float, predicted: float) -> None:
    """Add the error of a prediction as max(actual/predicted, predicted/actual) - 1."""
    if _comparable(actual, predicted):
        ratios.append(max(actual / predicted, predicted / actual) - 1.0)
        del ratios[:-_JUDGED]


def miss(ratios: Sequence[float], before: float) -> float:
    """Return the median error, with `before`, which was expected at first, as one more."""
    return median([*ratios, before])


def _comparable(actual: float, expected: float) -> bool:
    return actual > 0 and expected > 0 and 1 / _FARTHEST < actual / expected < _FARTHEST


class PredictionHistory(msgspec.Struct, kw_only=True):
    """What answers taught of a model at one thread count, as it is kept over a restart.

    Logarithms of factors on the figures of the base that they were learnt against, and errors of
    predictions, the latest last.
    """

    model: str
    threads: int
    prefill: list[float] = []
    decode: list[float] = []
    watts: list[float] = []
    seconds: list[float] = []
    energy: list[float] = []

    def learn(self, served: Served, prefill_s: float, decode_s: float, watts: Watts) -> None:
        """Take what an answer took, where its base expected these seconds and `watts`."""
        if served.prompt_tokens - served.cached_tokens >= _FEW:
            add_factor(self.prefill, served.prefill_s, prefill_s)
        if served.completion_tokens > _FEW:
            add_factor(self.decode, served.decode_s, decode_s)
        if served.energy_j is not None:
            expected_j = spend(watts, served.prefill_s, served.decode_s).energy_j
            add_factor(self.watts, served.energy_j, expected_j)

    def judge(self, served: Served, seconds: float, energy_j: float | None) -> None:
        """Record the error of a prediction of computing time and joules."""
        add_miss(self.seconds, served.prefill_s + served.decode_s, seconds)
        if served.energy_j is not None and energy_j is not None:
            add_miss(self.energy, served.energy_j, energy_j)
