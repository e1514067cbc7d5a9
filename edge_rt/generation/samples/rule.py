"""When to make how many more samples, and which of those made is the answer."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

PRIOR = 1.0  # votes that each answer, and any other, has before the first sample


@dataclass(frozen=True)
class Sample:
    """One answer as the rule sees it.

    `passed` None: nothing judges it. `vote` is the answer that it votes for; None: it has none, or
    there is no vote. `logprob` is the mean log-probability of its tokens.
    """

    passed: bool | None = None
    vote: str | None = None
    logprob: float = -math.inf


@dataclass(frozen=True)
class Rule:
    """At most `most` samples, of which a verifier or a vote or both take one.

    A verified sample ends it, a vote when its leader cannot be overtaken with the probability
    `stop` or has `agree` votes. A right answer is worth `worth_j` joules: a sample that is
    expected to gain less than it takes is not made.
    """

    most: int
    votes: bool = False
    verified: bool = False
    stop: float = 0.95
    agree: int | None = None
    worth_j: float | None = None


@dataclass
class Ballot:
    """The samples of one model, and what follows from them."""

    rule: Rule
    samples: list[Sample] = field(default_factory=list[Sample])

    @property
    def left(self) -> int:
        """How many samples may still be made."""
        return self.rule.most - len(self.samples)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """The votes of samples that no verifier refused, the most first; ties as they came."""
        return Counter(self._votes).most_common()

    @property
    def accepted(self) -> bool:
        """Whether the best sample is good enough, however many more there might be."""
        if not self.rule.votes:
            return any(one.passed for one in self.samples)
        lead = self._lead
        if self.rule.agree is not None:
            return lead >= self.rule.agree
        return lead > 0 and self.certainty() >= self.rule.stop

    @property
    def best(self) -> list[int]:
        """The samples, the best first: passed, then of the leading vote, then the likeliest."""
        leader = self.counts[0][0] if self.counts else None

        def rank(index: int) -> tuple[bool, bool, float]:
            one = self.samples[index]
            return bool(one.passed), leader is not None and one.vote == leader, one.logprob

        return sorted(range(len(self.samples)), key=rank, reverse=True)

    def over(self, sample_j: float | None = None) -> str | None:
        """Return why no more samples are made, None: more are; one takes `sample_j` joules."""
        if self.accepted:
            return "accepted"
        if self.left <= 0:
            return "most"
        if self._hopeless:
            return "stop"
        return "worth_j" if self._too_dear(sample_j) else None

    @property
    def next_round(self) -> int:
        """How many samples to make next.

        A vote takes the fewest that end it if they agree with the leader, a verifier as many again
        as were made, and without either all are made at once.
        """
        if self.rule.votes:
            return 1 + bisect_left(range(1, self.left), True, key=self._would_end)
        return min(self.left, max(1, len(self.samples))) if self.rule.verified else self.left

    def certainty(self, more: int = 0) -> float:
        """Return the probability that the leader stays ahead until all samples are made.

        `more` samples for the leader are assumed. Of each rival the probability of overtaking is
        that of Pólya's urn; their sum bounds that of any. A tie is won by who came first.
        """
        left, lead = self.left - more, self._lead + more
        if left <= 0:
            return 1.0
        leader, others = next(iter(self.counts), ("", 0))[0], self.counts[1:]
        came = [*dict.fromkeys(self._votes), leader]
        rivals = Counter((count, came.index(one) > came.index(leader)) for one, count in others)
        rivals[0, True] += 1  # an answer that did not come yet is one, too
        total = lead + sum(count for _, count in others) + PRIOR * (len(others) + 2)
        overtaken = sum(
            alike * _reaches(lead - count + later, (lead + PRIOR, count + PRIOR, total), left)
            for (count, later), alike in rivals.items()
        )
        return max(0.0, 1.0 - overtaken)

    @property
    def _votes(self) -> list[str]:
        return [
            one.vote for one in self.samples if one.passed is not False and one.vote is not None
        ]

    @property
    def _lead(self) -> int:
        return self.counts[0][1] if self.counts else 0

    def _would_end(self, more: int) -> bool:
        agree = self.rule.agree
        if agree is not None:
            return self._lead + more >= agree
        return self.certainty(more) >= self.rule.stop

    @property
    def _hopeless(self) -> bool:
        """Whether no further sample is likely enough to be accepted.

        None of n passed: with an even Beta prior none of r more does with probability
        (n + 1) / (n + r + 1).
        """
        made, left = len(self.samples), self.left
        if self.rule.votes:
            return self.rule.agree is not None and self._lead + left < self.rule.agree
        return self.rule.verified and made > 0 and (made + 1) / (made + left + 1) >= self.rule.stop

    def _too_dear(self, sample_j: float | None) -> bool:
        """Return whether a sample takes more joules than it is expected to gain.

        A verifier gains 1 / (n + 2) of a right answer, a vote at most its doubt.
        """
        worth_j = self.rule.worth_j
        if worth_j is None or sample_j is None or not self.samples:
            return False
        gain = 1.0 - self.certainty() if self.rule.votes else 1.0 / (len(self.samples) + 2)
        return gain * worth_j < sample_j


def _reaches(behind: int, weights: tuple[float, float, float], left: int) -> float:
    """Return the probability that a rival gains `behind` votes on the leader in `left` more.

    `weights` are the leader's, the rival's and those of all: a vote for any of them adds 1.
    """
    mine, other, total = weights
    rest = total - mine - other
    return sum(
        _urn((mine, other, rest), (a, b, left - a - b))
        for b in range(max(behind, 0), left + 1)
        for a in range(min(b - behind, left - b) + 1)
    )


def _urn(weights: Sequence[float], counts: Sequence[int]) -> float:
    """Return the Dirichlet-multinomial probability of `counts`."""
    n, total = sum(counts), sum(weights)
    log = math.lgamma(n + 1) + math.lgamma(total) - math.lgamma(total + n)
    for weight, count in zip(weights, counts, strict=True):
        if weight <= 0.0:
            if count:
                return 0.0
            continue
        log += math.lgamma(weight + count) - math.lgamma(weight) - math.lgamma(count + 1)
    return math.exp(log)
