"""What a request says of samples, and what its answer tells of them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_rt.core.reports.governor import Amount

Pattern = Annotated[str, Meta(min_length=1, max_length=1024)]


class Accept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sample must be to be the answer; all that is named here must hold."""

    schema: bool = False
    """Whether it is complete JSON, under the schema of `response_format` where one is given."""
    regex: Pattern | None = None
    """Regular expression of Python that is found in it."""
    checker: Annotated[str, Meta(min_length=1)] | None = None
    """Name of one of `checkers` in the configuration, a program that judges whole answers."""


class VoteRegex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vote for what a regular expression takes out of an answer."""

    regex: Pattern
    """Regular expression of Python; its last match counts, and of that the last group."""


class Larger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model that answers where no sample is accepted."""

    model: Annotated[str, Meta(min_length=1)]
    """Its id."""
    most: Annotated[int, Meta(ge=1, le=32)] = 1
    """Most samples of it."""


class SamplesTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Samples of which one goes out. Without `accept` and `vote` it is the likeliest."""

    most: Annotated[int, Meta(ge=1, le=32)] = 4
    """Most samples of the request's own model, at most `requests.max_n`."""
    accept: Accept | None = None
    """What a sample must be; the first one that is so ends the sampling, unless there is a vote."""
    vote: Literal["calls", "number", "choice"] | VoteRegex | None = None
    """What samples agree on: tool calls of the same names and arguments, the last number, the
    letter of a choice, or what an expression takes out. Samples that are not accepted do not
    vote."""
    agree: Annotated[int, Meta(ge=1, le=32)] | None = None
    """Votes that are enough. Default: as `stop` says."""
    stop: Annotated[float, Meta(gt=0, le=1)] = 0.95
    """Probability that the leader is the winner of all `most` samples, from which on no more are
    made; with `accept` alone, that none of those left is accepted."""
    worth_j: Amount | None = None
    """Joules that a right answer is worth: a sample that is expected to gain less than it takes is
    not made."""
    temperature: Annotated[float, Meta(gt=0, le=2)] = 0.8
    """Temperature of all samples but the first, where that of the request is 0."""
    larger: Larger | None = None
    """Model that answers where no sample is accepted."""


class Sampled(msgspec.Struct, frozen=True):
    """One sample: its model, its judgement and its cost."""

    model: str
    """Id of the model."""
    tokens: int
    """Its tokens."""
    energy_j: float | None
    """Joules, an even share of what its round added; null where they are not known."""
    passed: bool | None = None
    """Whether it was accepted; null where nothing judged it, or the judge failed."""
    vote: str | None = None
    """The answer that it votes for; null: it has none."""
    why: str | None = None
    """What the checker said, or what became of it."""


class SamplesReport(msgspec.Struct, frozen=True):
    """What became of the samples of a request."""

    made: int
    """How many were made."""
    saved: int
    """How many of the model's own were not made that could have been."""
    chosen: list[int]
    """Places of those that went out, from 0."""
    accepted: bool
    """Whether that was accepted, by the verifier or the vote; else it is the best of those made."""
    stopped: str
    """Why no more were made: `accepted`, `most`, `stop`, `worth_j`, or `limit` for the request's
    own joules and seconds."""
    samples: list[Sampled]
    """All of them in their order."""
