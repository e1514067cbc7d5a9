"""What the router has learnt, as clients are told."""

from __future__ import annotations

import msgspec


class Arm(msgspec.Struct, frozen=True):
    """A model and a mode, and what was learnt of them for prompts that are alike.

    `good` and `bad` are marks and `answers` those that were measured, in which what is long ago
    counts less; the ratios are what such answers take over what is foretold.
    """

    model: str
    mode: str
    kind: str
    length: str
    level: str
    good: float
    bad: float
    answers: float
    joules_ratio: float
    seconds_ratio: float


class TrialsReport(msgspec.Struct, frozen=True):
    """Since the start: requests that were chosen for, and how many of them were trials.

    `best_j` is what they would have taken without trials, `extra_j` what trials took beyond that,
    as foretold.
    """

    requests: int
    trials: int
    best_j: float
    extra_j: float


class RouterReport(msgspec.Struct, frozen=True):
    """All of it; `stored` is False while the file cannot be written."""

    stored: bool
    arms: list[Arm]
    trials: TrialsReport
