"""What is kept of one answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from edge_rt.decoding.params import EARLY
from edge_rt.models.pair import SWITCH


class Key(msgspec.Struct, frozen=True, array_like=True):
    """What an answer depends on, and so by what it is found again.

    `edge` is the request's field of that name as JSON, `models` the fingerprints of all models
    that take part, `asked` a word for messages and limits.
    """

    task: str
    item: str
    model: str
    edge: str
    models: str
    asked: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, or why there is none: `failed`. None is what is not known.

    `energy_j` is what the answer added to what the board draws anyway and `board_j` all that the
    board drew meanwhile; `others` are the cores that other processes used. From `mode` on it is
    what the response tells of two models and of drafts, in tokens; `doubt` is how unsure the model
    was of its first tokens.
    """

    key: Key
    way: str  # a name for how it was asked
    failed: str | None = None
    correct: bool = False
    answer: str | None = None  # what was read out of it
    why: str = ""
    text: str = ""
    reason: str = ""
    seconds: float = 0.0
    cpu_s: float | None = None  # of the engine
    others: float | None = None
    energy_j: float | None = None
    board_j: float | None = None
    power_w: float | None = None
    temp_c: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    mode: str | None = None
    small_tokens: int | None = None
    large_tokens: int | None = None
    switches: int | None = None
    catch_up_tokens: int | None = None
    accepted_tokens: int | None = None
    rejected_tokens: int | None = None
    doubt: dict[str, float] | None = None


def word(asked: Mapping[str, Any]) -> str:
    """A short word that changes with `asked`."""
    return hashlib.sha256(canonical(asked).encode()).hexdigest()[:12]


def canonical(value: object) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class Course(msgspec.Struct, frozen=True):
    """All requests of a policy, from the first one's coming to the last answer's end.

    `idle_s` of the `span_s` seconds were idle and not waited for; in the others the board drew
    `board_j`, and at rest, before all that, `rest_w`. None is what is not known.
    """

    span_s: float
    idle_s: float
    board_j: float | None
    rest_w: float | None

    @property
    def added_j(self) -> float | None:
        """What the board drew beyond what it draws at rest."""
        if self.board_j is None or self.rest_w is None:
            return None
        return self.board_j - self.rest_w * (self.span_s - self.idle_s)


class Served(Record, frozen=True, kw_only=True):
    """An answer, the `model` that gave it, and how its `course` went as a whole.

    `cache` names the cache that it came from, if any. `question` is the question for which it was
    made, if that is another one. Seconds count from when the request was to come.
    """

    model: str | None = None
    cache: str | None = None
    question: str | None = None
    course: Course | None = None

    def wrote(self, large: str) -> bool:
        """Whether the model `large` had a part in it, now or when it was kept."""
        if self.model != large:
            return False
        return self.mode != f"{SWITCH}:{EARLY}" or bool(self.large_tokens or self.switches)
