"""What is noted of one request while it runs, for the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

from edge_rt.decoding.params import Made
from edge_rt.energy.account import Account
from edge_rt.engine.client import Event
from edge_rt.engine.protocol import Delta, Started


@dataclass
class Tokens:
    """Counts of tokens; `cached` are those of the prompt that were not computed again."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass
class RequestUsage:
    """One request on its way; `account` is there once it was handed to the engine."""

    model: str
    total: Tokens  # of all requests, for whoever watches the daemon
    own: Tokens = field(default_factory=Tokens)
    account: Account | None = None
    answer_id: str | None = None  # as the client knows it
    booked: bool = False
    request: int | None = None  # the engine's number for it
    redone: bool = False  # whether an engine was lost with it
    mode: str | None = None  # of decoding, where that is not by the model itself
    partner: str | None = None
    made_by: dict[int, Made] = field(default_factory=dict[int, Made])  # its answers, so far

    @property
    def made(self) -> Made | None:
        """Of all its answers together."""
        return reduce(Made.plus, self.made_by.values()) if self.made_by else None

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
