"""Requests from whose answers predictions learn, and the factors that correct predictions."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import msgspec

from edge_rt.core.requests import Cost
from edge_rt.core.routing import Served
from edge_rt.decoding.params import Made
from edge_rt.energy.prediction.equation import Watts, spend
from edge_rt.energy.usage import RequestUsage
from edge_rt.models.record import ModelRecord
from edge_rt.routing.decoding_options import ALONE, DecodingOption

Learn = Callable[[ModelRecord, int, Served, DecodingOption, Made | None], object]
"""Takes a model, its threads, what its answer took, and in which mode and how that was made."""


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
        option: DecodingOption = ALONE,
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
        self._learn(entry, update.threads, served, option, usage.made)
        return served


KEPT = 9  # factors; what is older is forgotten
_JUDGED = 15  # misses
_FARTHEST = 1e6  # a factor beyond it is a broken clock
_FEW = 4  # tokens, below which what goes on around a pass counts for more than the pass


class LearntFactors(msgspec.Struct, frozen=True, kw_only=True):
    """A history as it is kept over a restart: logarithms of factors, and misses, the latest last.

    It tells something only beside the base that it was learnt against.
    """

    model: str
    threads: int
    prefill: list[float] = []
    decode: list[float] = []
    watts: list[float] = []
    seconds: list[float] = []
    energy: list[float] = []


class Factors:
    """Ratios of actual to expected figures; the median of the latest ones counts.

    A median follows a lasting change after half the ratios it keeps, and an answer that was held
    up a hundredfold by other programs does not move it.
    """

    def __init__(self, logs: Iterable[float] = ()) -> None:
        most = math.log(_FARTHEST)
        self._logs = deque((log for log in logs if abs(log) < most), maxlen=KEPT)

    def __len__(self) -> int:
        return len(self._logs)

    @property
    def logs(self) -> list[float]:
        """The logarithms of the ratios, the latest last."""
        return list(self._logs)

    def add(self, actual: float, expected: float) -> None:
        """Take one; what is not above 0 teaches nothing."""
        if actual > 0 and expected > 0 and 1 / _FARTHEST < actual / expected < _FARTHEST:
            self._logs.append(math.log(actual / expected))

    def factor(self, doubts: Iterable[float] = ()) -> float | None:
        """The median ratio, with `doubts` as more of them; None where there are none at all."""
        logs = [*self._logs, *(math.log(doubt) for doubt in doubts)]
        return math.exp(median(logs)) if logs else None


class Misses:
    """The errors of predictions that were made in advance."""

    def __init__(self, ratios: Iterable[float] = ()) -> None:
        self._ratios = deque((r for r in ratios if 0.0 <= r < _FARTHEST), maxlen=_JUDGED)

    @property
    def ratios(self) -> list[float]:
        """The errors, the latest last."""
        return list(self._ratios)

    def add(self, actual: float, predicted: float) -> None:
        """Take one as max(actual/predicted, predicted/actual) - 1."""
        if actual > 0 and predicted > 0 and 1 / _FARTHEST < actual / predicted < _FARTHEST:
            self._ratios.append(max(actual / predicted, predicted / actual) - 1.0)

    def ratio(self, before: float) -> float:
        """The median, with `before`, which was expected at first, as one more."""
        return median([*self._ratios, before])


@dataclass
class PredictionHistory:
    """What answers taught of a model at one thread count: factors and errors of predictions."""

    prefill: Factors = field(default_factory=Factors)
    decode: Factors = field(default_factory=Factors)
    watts: Factors = field(default_factory=Factors)
    seconds: Misses = field(default_factory=Misses)
    energy: Misses = field(default_factory=Misses)

    @classmethod
    def recalled(cls, learnt: LearntFactors) -> PredictionHistory:
        """Return the history that was kept over a restart."""
        return cls(
            Factors(learnt.prefill),
            Factors(learnt.decode),
            Factors(learnt.watts),
            Misses(learnt.seconds),
            Misses(learnt.energy),
        )

    def learnt(self, model: str, threads: int) -> LearntFactors:
        """Return the state to save for the next start."""
        return LearntFactors(
            model=model,
            threads=threads,
            prefill=self.prefill.logs,
            decode=self.decode.logs,
            watts=self.watts.logs,
            seconds=self.seconds.ratios,
            energy=self.energy.ratios,
        )

    def learn(self, served: Served, prefill_s: float, decode_s: float, watts: Watts) -> None:
        """Take what an answer took, where its base expected these seconds and `watts`."""
        if served.prompt_tokens - served.cached_tokens >= _FEW:
            self.prefill.add(served.prefill_s, prefill_s)
        if served.completion_tokens > _FEW:
            self.decode.add(served.decode_s, decode_s)
        if served.energy_j is not None:
            expected_j = spend(watts, served.prefill_s, served.decode_s).energy_j
            self.watts.add(served.energy_j, expected_j)

    def judge(self, served: Served, seconds: float, energy_j: float | None) -> None:
        """Record the error of a prediction of computing time and joules."""
        self.seconds.add(served.prefill_s + served.decode_s, seconds)
        if served.energy_j is not None and energy_j is not None:
            self.energy.add(served.energy_j, energy_j)
