"""What each way of choosing would have answered, and what it would have taken.

Seconds are modelled: the passes of an answer, by their rows, times what such a pass takes. The
board draws the same whatever computes, so that joules compare as these seconds do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_rt.generation.samples.rule import Ballot, Rule, Sample
from evallib.samples.record import Drawn, Said

ORDERS = 100  # in which the samples of a vote are replayed


@dataclass(frozen=True)
class Passes:
    """What a pass of a model takes: `rows` to seconds, between which a line goes; and a token of a
    prompt.
    """

    rows: Mapping[int, float]
    prompt_s: float

    def pass_s(self, rows: float) -> float:
        """Return the seconds of a pass of so many rows."""
        return float(np.interp(rows, list(self.rows), list(self.rows.values())))

    def round_s(self, tokens: Sequence[int]) -> float:
        """Return the seconds of answers of so many tokens that share their passes."""
        ends = sorted(tokens)
        lengths = [end - begin for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
        return sum(n * self.pass_s(len(ends) - i) for i, n in enumerate(lengths))

    def alone_s(self, one: Drawn) -> float:
        """Return the seconds of one answer, in passes of what was drafted."""
        kept, lost = one.accepted_tokens or 0, one.rejected_tokens or 0
        passes = max(1, one.tokens - kept)
        return passes * self.pass_s((one.tokens + lost) / passes)


# Two cores of x86-64 and llama.cpp, quiet. F16 costs a token as a model of 6B does at 4 bits.
SMALL_Q4 = Passes({1: 0.0232, 4: 0.0681, 8: 0.1276}, 0.0095)
LARGE_Q4 = Passes({1: 0.0622, 4: 0.1442, 8: 0.3477}, 0.0258)
LARGE_F16 = Passes({1: 0.1348, 2: 0.1366, 4: 0.1714, 8: 0.2473}, 0.0309)


@dataclass
class Found:
    """What a way came to, question by question."""

    right: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])
    made: list[float] = field(default_factory=list[float])  # samples of the small model

    def add(self, right: bool, seconds: float, made: int) -> None:
        self.right.append(float(right))
        self.seconds.append(seconds)
        self.made.append(float(made))


@dataclass(frozen=True)
class Question:
    """All that was recorded of one: the large model by lookup, the small one, samples of that."""

    small: Drawn
    samples: Drawn
    large: Drawn

    @property
    def drawn(self) -> list[Said]:
        """The samples in the order in which they are made: the likeliest answer first."""
        return [*self.small.answers, *self.samples.answers]


def sampled(one: Question, rule: Rule, small: Passes, large: Passes) -> tuple[bool, float, int]:
    """Return whether the cascade's answer is right, its seconds, and how many samples it made."""
    ballot, drawn, seconds = Ballot(rule), one.drawn, one.small.prompt_tokens * small.prompt_s
    while ballot.over() is None:
        begin = len(ballot.samples)
        more = ballot.next_round if begin else 1
        taken = drawn[begin : begin + more]
        lengths = [said.tokens for said in taken]
        seconds += small.round_s(lengths) if begin else small.alone_s(one.small)
        ballot.samples += [Sample(said.passed, said.vote) for said in taken]
    if ballot.accepted:
        return drawn[ballot.best[0]].correct, seconds, len(ballot.samples)
    [answer] = one.large.answers
    return answer.correct, seconds + alone_s(one.large, large), len(ballot.samples)


def alone_s(one: Drawn, passes: Passes, *, drafts: bool = True) -> float:
    """Return the seconds of an answer with its prompt, also as if nothing had been drafted."""
    whole = passes.alone_s(one) if drafts else passes.round_s([one.tokens])
    return one.prompt_tokens * passes.prompt_s + whole


Answer = Callable[[Question], tuple[bool, float, int]]
"""Returns whether a way's answer is right, its seconds, and how many samples it made."""


def rivals(small: Passes, large: Passes) -> dict[str, Answer]:
    """Return the ways to answer without checks that stop early."""

    def first(one: Question) -> tuple[bool, float, int]:
        said = one.samples.answers[0]
        seconds = one.samples.prompt_tokens * small.prompt_s + small.round_s([said.tokens])
        return said.correct, seconds, 1

    def every(one: Question) -> tuple[bool, float, int]:
        """The majority of all, or the first that passed, or else the first."""
        drawn = one.drawn
        rule = Rule(len(drawn), votes=any(said.vote for said in drawn))
        best = Ballot(rule, [Sample(said.passed, said.vote) for said in drawn]).best[0]
        lengths = [said.tokens for said in drawn]
        seconds = one.small.prompt_tokens * small.prompt_s + small.round_s(lengths)
        return drawn[best].correct, seconds, len(drawn)

    return {
        "large by lookup": lambda o: (o.large.answers[0].correct, alone_s(o.large, large), 0),
        "large": lambda o: (o.large.answers[0].correct, alone_s(o.large, large, drafts=False), 0),
        "small": lambda o: (o.small.answers[0].correct, alone_s(o.small, small), 1),
        "first sample": first,
        "all samples": every,
    }


@dataclass(frozen=True)
class Stopped:
    """How a vote that stops early did: shares of samples saved, and of the same winner."""

    saved: float
    agree: float
    right: float
    right_of_all: float


def stopped(answers: Sequence[Said], rule: Rule, seed: int) -> Stopped:
    """Replay the votes of one question in several orders."""
    numbers, samples = random.Random(seed), list(answers)
    found = np.zeros((ORDERS, 4))
    for row in found:
        numbers.shuffle(samples)
        votes = [Sample(vote=said.vote) for said in samples[: rule.most]]
        ballot = Ballot(rule)
        while ballot.over() is None:
            begin = len(ballot.samples)
            ballot.samples += votes[begin : begin + ballot.next_round]
        early, late = samples[ballot.best[0]], samples[Ballot(rule, votes).best[0]]
        row[:] = ballot.left / rule.most, early.vote == late.vote, early.correct, late.correct
    return Stopped(*(float(value) for value in found.mean(axis=0)))
