"""Marks of answers as clients give them, and as their doings tell."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from edge_rt.api.middleware.clients import ClientRates
from edge_rt.core.cached import digest
from edge_rt.core.errors import RequestError

By = Literal["feedback", "regeneration"]

KEPT = 1024  # answers that can still be marked
AGAIN_S = 300.0  # after an answer, within which the same prompt tells that it was not good
AGAIN_WEIGHT = 0.5  # of a mark that nobody gave
BURST, PER_HOUR = 12.0, 12.0  # marks of one client that count, at once and in the long run
_CLIENTS = 256


class Marked(msgspec.Struct, frozen=True):
    """A mark from 0 to 1, and whether it is kept; `why` not, where it is not."""

    id: str
    mark: float
    counted: bool
    why: str | None = None


class Counted(NamedTuple):
    """What is told apart of marks in the metrics."""

    good: bool
    by: By
    counted: bool


@dataclass
class Asked:
    """An answer that `client` asks for, None: who cannot be told, with a prompt of that hash.

    With the same `fixed` it would be the same answer, None: it may be any. `again` tells whether
    another was asked for shortly before, `key` under which the answer may be kept.
    """

    client: str | None
    prompt: bytes
    fixed: object = None
    key: bytes | None = None
    again: bool = False
    ended_s: float | None = None
    marked: bool = False


class Marking:
    """Knows the latest answers by their ids, and by hashes of their prompts, which are not kept.

    A client marks its own answers, each once. Where it asks for another one within AGAIN_S of an
    answer that was complete, that is half a bad mark for the first; a client that asks a third
    time is taken for a program that does so by habit. Of each client so many marks an hour count.
    """

    def __init__(
        self, learn: Callable[[str, float, float], bool], monotonic: Callable[[], float]
    ) -> None:
        """`learn` takes marks as Service.mark does; `monotonic` gives seconds."""
        self._learn, self._now = learn, monotonic
        self._salt = secrets.token_bytes(16)  # so that no hash can be looked up
        self._answers: OrderedDict[str, Asked] = OrderedDict()
        self._latest: dict[tuple[str | None, bytes], str] = {}
        self._rates = ClientRates(BURST, PER_HOUR / 3600.0, monotonic, _CLIENTS)
        self.counts: Counter[Counted] = Counter()

    def begin(self, client: str | None, fixed: object, *said: object) -> Asked:
        """Note that `client` asks for an answer to `said`, of which only a hash is kept."""
        try:
            asked = Asked(client, digest(self._salt, *said), fixed)
        except (OverflowError, RecursionError, UnicodeEncodeError):  # of JSON that no prompt needs
            return Asked(client, secrets.token_bytes(16))
        before = self._latest.get((client, asked.prompt))
        if before is not None and client is not None:
            asked.again = self._asks_again(before, self._answers[before], fixed)
        return asked

    def keep(self, id: str, asked: Asked) -> None:
        """Remember an answer by its id; the oldest of more than KEPT are dropped."""
        self._answers[id] = asked
        self._latest[asked.client, asked.prompt] = id
        while len(self._answers) > KEPT:
            old, gone = self._answers.popitem(last=False)
            if self._latest.get((gone.client, gone.prompt)) == old:
                del self._latest[gone.client, gone.prompt]

    def ended(self, id: str) -> None:
        answer = self._answers.get(id)
        if answer is not None:
            answer.ended_s = self._now()

    def kept_as(self, id: str, client: str | None) -> bytes | None:
        """Under which key an answer to `client` may be kept; None for one that was marked."""
        answer = self._answers.get(id)
        return None if answer is None or answer.client != client or answer.marked else answer.key

    def give(self, id: str, client: str | None, mark: float) -> Marked:
        """`client` marks an answer from 0 to 1; raises RequestError where it has none like that."""
        answer = self._answers.get(id)
        if answer is None or answer.client != client:
            raise RequestError(
                f"no answer {id!r:.80} to mark: a client can mark its own last answers, of which "
                f"{KEPT} are known in all, and none over a restart or from the cache, where "
                '`"edge": {"cache": "refresh"}` has another one made',
                param="id",
                code="answer_not_found",
            )
        if answer.marked:
            return Marked(id, mark, False, "this answer was marked before")
        answer.marked = True
        return self._mark(id, answer.client, mark, 1.0, "feedback")

    def _asks_again(self, id: str, answer: Asked, fixed: object) -> bool:
        """The prompt of an answer is there again: whether for another, and soon."""
        same = fixed is not None and fixed == answer.fixed
        if same or answer.ended_s is None or self._now() - answer.ended_s > AGAIN_S:
            return False
        if not (answer.again or answer.marked):
            self._mark(id, answer.client, 0.0, AGAIN_WEIGHT, "regeneration")
        return True

    def _mark(self, id: str, client: str | None, mark: float, weight: float, by: By) -> Marked:
        why = None
        if not self._rates.of(client).allows(weight):
            why = f"{PER_HOUR:.0f} marks an hour of one client count"
        elif not self._learn(id, mark, weight):
            why = "it is not known which model gave this answer"
        self.counts[Counted(mark >= 0.5, by, why is None)] += 1
        return Marked(id, mark, why is None, why)
