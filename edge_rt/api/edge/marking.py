"""Marks of answers, as clients give them."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

import msgspec

from edge_rt.core.errors import RequestError

KEPT = 1024  # answers that can still be marked


class Marked(msgspec.Struct, frozen=True):
    """A mark from 0 to 1, and whether it counts; `why` not, where it does not."""

    id: str
    mark: float
    counted: bool
    why: str | None = None


@dataclass
class _Answer:
    """An answer of `client`, None: who cannot be told; `key` under which it may be cached."""

    client: str | None
    key: bytes | None
    marked: bool = False


class Marking:
    """Knows the latest answers by their ids; a client marks its own, each once."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self.counts: Counter[bool] = Counter()  # of good marks, and of others

    def keep(self, id: str, client: str | None, key: bytes | None) -> None:
        """Remember an answer by its id; the oldest of more than KEPT are dropped."""
        self._answers[id] = _Answer(client, key)
        if len(self._answers) > KEPT:
            self._answers.popitem(last=False)

    def kept_as(self, id: str, client: str | None) -> bytes | None:
        """Return the key of an answer to `client`; None for one that was marked."""
        answer = self._answers.get(id)
        return None if answer is None or answer.client != client or answer.marked else answer.key

    def give(self, id: str, client: str | None, mark: float) -> Marked:
        """Mark an answer from 0 to 1; raises RequestError where `client` has none like that."""
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
        self.counts[mark >= 0.5] += 1
        return Marked(id, mark, True)
