"""Adaptive weighted rejection sampling: draw a token where only a predicate tells what may come.

After Lipkin et al., "Fast Controlled Generation from Language Models with Adaptive Weighted
Rejection Sampling" (arXiv 2504.05410). Tokens are drawn without replacement until one is accepted.
That one is distributed as under a mask of the whole vocabulary: a refused token is taken out.

The weight of a draw is an unbiased estimate of Z, the probability of all acceptable tokens
together, which a mask would have told. The estimate is the recursive one, our formula: behind the
accepted token, of probability p, one more is drawn, and with the refused probability R it is

    1 - R  if that token is acceptable too,
    p      if it is not, or none is left.

Its mean is Z, by induction over the refused tokens: with m = 1 - R, accepted tokens add the sum of
p/m * (m (Z - p) + p (m - Z)) / (m - p) = p/m * Z, which is Z²/m, and refused ones (m - Z)/m * Z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.decoding import Sampling
from edge_rt.decoding.distribution import Ids, Logits, ranked, top_floor
from edge_rt.decoding.draws import Shortlist, cuts, fork_seed, heat, kept, shortlist, uniform

MOST = 4096  # tokens that are tried
_MOST_REACH = 1.0 - 1e-9  # of the probability, held by tokens that are put in order
_SINGLE = 4  # draws for each of which is looked just as far as it needs
_BATCHES = (2, 8, 32, 128)  # tokens that are judged together, the last number again and again

Judge = Callable[[Sequence[int]], Sequence[bool]]
"""Tells of each of some tokens whether it may come next."""


class DrawnCandidate(NamedTuple):
    """A drawn token, its probability, and that of all tokens that had not been drawn before it."""

    token: int
    probability: float
    left: float


class AcceptedToken(NamedTuple):
    """The accepted token, and the natural logarithm of its weight; None: of a greedy draw."""

    token: int
    log_weight: float | None


def search(
    candidates: Iterator[DrawnCandidate], judge: Judge, *, greedy: bool
) -> AcceptedToken | None:
    """Return the first of `candidates` that `judge` accepts; None where it refuses MOST of them.

    `candidates` are in the order of their draws. Several are judged at once, some in vain.
    """
    found: DrawnCandidate | None = None
    for candidate, accepted in _judged(islice(candidates, MOST), judge, greedy=greedy):
        if found is not None:
            return _weighted(found, found.left if accepted else found.probability)
        if accepted and greedy:
            return AcceptedToken(candidate.token, None)
        found = candidate if accepted else None
    return None if found is None else _weighted(found, found.probability)


def _weighted(found: DrawnCandidate, weight: float) -> AcceptedToken:
    return AcceptedToken(found.token, math.log(max(weight, found.probability)))


def _judged(
    candidates: Iterator[DrawnCandidate], judge: Judge, *, greedy: bool
) -> Iterator[tuple[DrawnCandidate, bool]]:
    sizes = iter((1, *_BATCHES[1:]) if greedy else _BATCHES)
    while some := list(islice(candidates, next(sizes, _BATCHES[-1]))):
        yield from zip(some, judge([one.token for one in some]), strict=True)


def by_rank(logits: Logits) -> Iterator[DrawnCandidate]:
    """Yield the tokens by falling logit, of equal ones the lowest id first, unweighted."""
    told = 0
    for count in (8, 128, logits.size):
        ids = ranked(logits, top_floor(logits, count))
        for token in ids[told:]:
            yield DrawnCandidate(int(token), 0.0, 0.0)
        told = max(told, ids.size)


def by_draw(
    logits: Logits, sampling: Sampling, peak: float, seed: int, position: int
) -> Iterator[DrawnCandidate]:
    """Yield the tokens in an order of draws without replacement, in the end all that are not -inf.

    The first is the one that would be drawn without a predicate, by the number at `position` of the
    stream `seed`; `peak` is the largest of the (vocab,) logits, finite. What top_k, top_p and min_p
    leave out comes last, with the probability that it has without them.
    """
    number = uniform(seed, position)
    head = _Head(logits, sampling, peak, number)
    while (candidate := head.draw(number)) is not None:
        yield candidate
        number = uniform(fork_seed(~seed, len(head.picks)), position)
    yield from _rest(logits, sampling, peak, head.ids[head.picks], seed, position)


class _Head:
    """The likeliest tokens, in order, as far as draws have looked, and which were drawn."""

    def __init__(self, logits: Logits, sampling: Sampling, peak: float, reach: float) -> None:
        """Look as far as tokens have the probability `reach` together, or at all that are kept."""
        self._given, self._whole = (logits, sampling, peak), not cuts(sampling, logits.size)
        self.picks: list[int] = []  # places of drawn tokens among `ids`
        short = self._look(reach)
        self._total = self._left = short.total if self._whole else float(self._sums[-1])

    def draw(self, u: float) -> DrawnCandidate | None:
        """Draw by `u` in [0, 1), without replacement; None: beyond what can be told apart."""
        number = u * self._left
        if self._whole and number >= self._sums[-1]:
            self._look(self._reach(number))
            if number >= self._sums[-1]:
                return None
        if len(self.picks) == self.ids.size:
            return None
        below = np.nextafter(self._sums[-1], 0.0)  # rounding may lead beyond the last one
        pick = int(self._sums.searchsorted(min(number, below), side="right"))
        weight, left = float(self._weights[pick]), self._left
        self.picks.append(pick)
        self._weights[pick], self._left = 0.0, max(left - weight, 0.0)
        self._sums = np.cumsum(self._weights)
        return DrawnCandidate(int(self.ids[pick]), weight / self._total, left / self._total)

    def _reach(self, number: float) -> float:
        """Return the share up to where the sum of what is left exceeds `number`.

        Soon a larger one.
        """
        share = (self._total - self._left + number) / self._total
        return share if len(self.picks) < _SINGLE else 1.0 - (1.0 - share) / 4

    def _look(self, reach: float) -> Shortlist:
        _, sampling, _ = self._given
        short = shortlist(*self._given, min(reach, _MOST_REACH))
        count = short.ids.size if self._whole else kept(short, sampling)
        self.ids: Ids = short.ids[:count]
        self._weights: NDArray[np.float64] = np.array(short.weights[:count])
        self._weights[self.picks] = 0.0
        self._sums: NDArray[np.float64] = np.cumsum(self._weights)
        return short


def _rest(
    logits: Logits, sampling: Sampling, peak: float, drawn: Ids, seed: int, position: int
) -> Iterator[DrawnCandidate]:
    """Yield all tokens but those `drawn`, by when exponential clocks of these rates ring."""
    weights = _weights(logits, sampling, peak)
    total = float(weights.sum())
    random = np.random.Generator(np.random.PCG64([seed % 2**64, position])).random(logits.size)
    with np.errstate(divide="ignore"):  # in logarithms, since weights may be as good as 0
        times = np.log(-np.log1p(-random)) - (logits.astype(np.float64) - peak) / heat(sampling)
    times[drawn] = np.inf
    left = total - float(weights[drawn].sum())
    order = np.argsort(times, kind="stable")
    for token in order[: np.count_nonzero(times < np.inf)]:
        weight = float(weights[token])
        yield DrawnCandidate(int(token), weight / total, max(left, weight) / total)
        left -= weight


def _weights(logits: Logits, sampling: Sampling, peak: float) -> NDArray[np.float64]:
    return np.exp((logits.astype(np.float64) - peak) / heat(sampling))
