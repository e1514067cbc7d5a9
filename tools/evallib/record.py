"""What is kept of one answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec


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

    `energy_j` is what the answer added to what the board draws anyway. From `mode` on it is what
    the response tells of two models and of drafts, in tokens.
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
    energy_j: float | None = None
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


def word(asked: Mapping[str, Any]) -> str:
    """A short word that changes with `asked`."""
    return hashlib.sha256(canonical(asked).encode()).hexdigest()[:12]


def canonical(value: object) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
