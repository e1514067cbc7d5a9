"""What clients see of the router, and of the files that the daemon keeps."""

from __future__ import annotations

import msgspec


class StorageReport(msgspec.Struct, frozen=True):
    """The files that the daemon keeps, and whether they can be written."""

    files: list[str]
    """Names of the files."""
    failing: dict[str, str]
    """Files that cannot be written, and why."""
    aside: list[str]
    """Damaged files that were moved aside, under their new names."""
    free_bytes: int | None
    """Free space of the disk with the state directory; null: not known."""


class Arm(msgspec.Struct, frozen=True):
    """A model and a decoding mode, with their learnt figures for one class of prompts.

    Older marks and answers count less.
    """

    model: str
    """Id of the model."""
    mode: str
    """Decoding mode."""
    kind: str
    """Kind of the prompts."""
    length: str
    """Length of the prompts, as a class."""
    level: str
    """Difficulty of the prompts, as a class."""
    good: float
    """Good marks."""
    bad: float
    """Bad marks."""
    answers: float
    """Answers whose joules and seconds were measured."""
    joules_ratio: float
    """Joules of these answers over the predicted ones."""
    seconds_ratio: float
    """Seconds of these answers over the predicted ones."""


class TrialsReport(msgspec.Struct, frozen=True):
    """How many requests were trials of a model of which little is known, since the start."""

    requests: int
    """Requests for which there was a choice."""
    trials: int
    """Requests of these that were trials."""
    best_j: float
    """Predicted joules of all these requests without trials."""
    extra_j: float
    """Predicted joules that the trials took beyond that."""


class RouterReport(msgspec.Struct, frozen=True):
    """Everything that the router has learnt."""

    stored: bool
    """Whether its file can be written."""
    arms: list[Arm]
    """What was learnt of each model, mode and class of prompts."""
    trials: TrialsReport
    """Trials since the start."""
