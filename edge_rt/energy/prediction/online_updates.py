"""Requests from whose answers predictions learn."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from edge_rt.core.decoding import Mode
from edge_rt.core.requests import Cost
from edge_rt.core.routing import Served
from edge_rt.energy.usage import RequestUsage
from edge_rt.models.record import ModelRecord

Learn = Callable[[ModelRecord, int, Served, Mode], object]
"""Takes a model, its threads, what its answer took, and the mode in which that was made."""


def fewest(asked: int | None, most: int) -> int:
    """Return the threads of a request that asks for so many, None: for all, where `most` may be."""
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
            usage.made,
        )
        self._learn(entry, update.threads, served, mode)
        return served
