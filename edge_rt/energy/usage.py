"""What is noted of one request for the ledger, also when its engine is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import reduce

from edge_rt.core.decoding import ConstraintCost, Made
from edge_rt.core.events import Delta, Finished, Started
from edge_rt.core.requests import OWN_APP, Repeat
from edge_rt.energy.account import Account
from edge_rt.energy.app_budgets import Spending
from edge_rt.energy.ledger_records import UsageRecord
from edge_rt.engine.client import Event


@dataclass
class TokenCounts:
    """Counts of tokens; `cached` are those of the prompt that were not computed again."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass
class RequestUsage:
    """One request on its way; `account` is there once it was handed to the engine."""

    model: str
    total: TokenCounts  # of all requests, for whoever watches the daemon
    own: TokenCounts = field(default_factory=TokenCounts)
    account: Account | None = None
    answer_id: str | None = None  # as the client knows it
    booked: bool = False
    request: int | None = None  # the engine's number for it
    redone: bool = False  # whether an engine was lost with it
    mode: str | None = None  # of decoding, where that is not by the model itself
    partner: str | None = None
    app: str = OWN_APP
    spending: Spending | None = None  # of the application, where it has a budget
    constraint: ConstraintCost | None = None  # of the answer that ended last
    made_by: dict[int, Made] = field(default_factory=dict[int, Made])  # its answers, so far

    @property
    def made(self) -> Made | None:
        """How its answers were made, summed up."""
        return reduce(Made.plus, self.made_by.values()) if self.made_by else None

    def begin(self, account: Account) -> None:
        """Have what `account` takes from now on count for the application."""
        self.account = account
        account.app = self.app
        if self.spending is not None:
            self.spending.begin(account)

    def take(self, event: Event) -> None:
        """Count the tokens of one event, and how they were made."""
        for tokens in (self.own, self.total):
            if isinstance(event, Delta):
                tokens.completion += len(event.tokens)
            elif isinstance(event, Started):
                tokens.prompt += event.prompt_tokens
                tokens.cached += event.cached_tokens
        if not isinstance(event, Started) and event.made is not None:
            self.made_by[event.index] = event.made
        if isinstance(event, Finished):
            self.constraint = event.constraint


class Milestone:
    """A time that advances, and tasks that wait until it has come to theirs."""

    def __init__(self) -> None:
        self.at_s = float("-inf")
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    def advance(self, to_s: float) -> None:
        """Advance to `to_s` in seconds; an earlier time changes nothing."""
        self.at_s = max(self.at_s, to_s)
        due = [future for at_s, future in self._waiting if at_s <= self.at_s]
        self._waiting = [item for item in self._waiting if item[0] > self.at_s]
        for future in due:
            if not future.done():
                future.set_result(None)

    async def reach(self, at_s: float, patience_s: float) -> bool:
        """Wait until it has come to `at_s`; False when that takes longer than `patience_s`."""
        if self.at_s >= at_s:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((at_s, future))
        try:
            await asyncio.wait_for(future, patience_s)
        except asyncio.TimeoutError:
            return False
        finally:
            self._waiting = [item for item in self._waiting if item[1] is not future]
        return True


def booking(repeat: Repeat, ended: float) -> UsageRecord:
    """Return the ledger's record of a repeated answer, which took the engine no joules.

    It heated nothing either, so that no temperature is noted.
    """
    return UsageRecord(
        ended=ended,
        model=repeat.model,
        status="cached",
        prompt_tokens=repeat.prompt_tokens,
        cached_tokens=repeat.cached_tokens,
        completion_tokens=repeat.completion_tokens,
        seconds=repeat.seconds,
        busy_s=0.0,
        energy_j=0.0,
        quality="modelled",
        power_w=None,
        temp_c=None,
        saved_j=repeat.saved_j,
        answer_id=repeat.answer_id,
        app=repeat.app,
    )
