"""Draw one token: random numbers by position, and the tokens that may be drawn, likeliest first.

Every random number is a pure function of a seed and a position. There is no state to save or to
replay: whoever knows the seed and how many tokens have been drawn continues the stream exactly,
and no draw depends on what else is running. The mixer is the finaliser of SplitMix64 (Steele, Lea
and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), a bijection of 64-bit
words that passes BigCrush when fed a Weyl sequence.

top_k, top_p and min_p each keep a prefix of the order (falling logit, rising id), so together
they keep the shortest of the three. A draw by inverse CDF in that same order finds the first
token at which the cumulated probability exceeds u: the last token of the nucleus of mass u. Both
need only the head of the order, which is found by a bound on the probability:

    A token t is in the nucleus of mass q only if the tokens before it weigh less than q. Then t
    and all tokens after it weigh more than 1 - q together; none of them is likelier than t and
    there are at most V of them, so p(t) > (1 - q) / V. Tokens below that bound cannot be in the
    nucleus, whatever the distribution.

Most distributions are peaked, so a bound higher than the proven one is tried first: if the tokens
above it weigh q or more, they hold the nucleus, for they are a prefix of the order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_rt.core.decoding import Sampling
from edge_rt.decoding.distribution import Ids, Logits, mass, ranked, top_floor

_COLDEST, _HOTTEST = 1e-6, 1e9  # beyond, nothing changes any more but float32 would overflow
_UNDERFLOW = 700.0  # exp(-700) is about the least that float64 holds
_FIRST_BOUND = 1024  # stands in for V at the first try
_SLACK = 1e-3  # nats by which a bound gives way to rounding; costs a candidate or two
_WORD = (1 << 64) - 1
_WEYL = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_FORK = 0x6A09E667F3BCC909  # keeps forked seeds apart from the words that are drawn


class Shortlist(NamedTuple):
    """A head of the order that is long enough for the draw.

    `weights` are unnormalised probabilities (the likeliest has 1), `sums` their running sums, and
    `total` the weight of everything that top_k leaves.
    """

    ids: Ids
    weights: NDArray[np.float64]
    sums: NDArray[np.float64]
    total: float


def draw(logits: Logits, sampling: Sampling, peak: float, u: float) -> int:
    """Return the token that the number `u` in [0, 1) picks; `peak` is the largest logit, finite.

    Temperature, top_k, top_p, min_p, in this order. At least one token is always left.
    """
    short = shortlist(logits, sampling, peak, u)
    count = kept(short, sampling)
    total = short.sums[count - 1] if cuts(sampling, logits.size) else short.total
    pick = int(short.sums[:count].searchsorted(u * total, side="right"))
    return int(short.ids[min(pick, count - 1)])


def kept(short: Shortlist, sampling: Sampling) -> int:
    """Return how many tokens of the head top_p and min_p leave: one at least."""
    count = short.ids.size
    if sampling.top_p < 1.0:
        count = min(count, int(short.sums.searchsorted(sampling.top_p * short.total)) + 1)
    if sampling.min_p > 0.0:
        count = min(count, int(np.count_nonzero(short.weights >= sampling.min_p)))
    return max(count, 1)


def shortlist(logits: Logits, sampling: Sampling, peak: float, u: float) -> Shortlist:
    """Return the head of the order that holds all that `sampling` keeps, or what `u` can pick."""
    temperature = heat(sampling)
    floor = peak - _UNDERFLOW * temperature
    if 0 < sampling.top_k < logits.size:
        floor = max(floor, top_floor(logits, sampling.top_k))
        return _head(logits, peak, temperature, floor, most=sampling.top_k)
    if sampling.min_p > 0.0:
        floor = max(floor, peak + temperature * math.log(min(sampling.min_p, 1.0)))
        if sampling.top_p >= 1.0:
            return _head(logits, peak, temperature, floor)
    reach = sampling.top_p if sampling.top_p < 1.0 else u
    return _reaching(logits, peak, temperature, floor, reach)


def _reaching(
    logits: Logits, peak: float, temperature: float, floor: float, reach: float
) -> Shortlist:
    """Return the head of the order that weighs `reach` of all, or all that `floor` leaves."""
    total = mass(logits, peak, temperature)
    short = None
    for tokens in (_FIRST_BOUND, logits.size):
        bound = min(math.log((1.0 - max(reach, 0.0)) * total / tokens), 0.0) - _SLACK
        short = _head(logits, peak, temperature, max(floor, peak + temperature * bound))
        if short.sums[-1] >= reach * total:
            break
    assert short is not None
    return short._replace(total=total)


def _head(
    logits: Logits, peak: float, temperature: float, floor: float, most: int | None = None
) -> Shortlist:
    """Return all logits >= `floor` in order, `most` of them at most.

    Never empty as floor <= peak.
    """
    ids = ranked(logits, floor)[:most]
    weights = np.exp((logits[ids].astype(np.float64) - peak) / temperature)
    sums = np.cumsum(weights)
    return Shortlist(ids, weights, sums, float(sums[-1]))


def heat(sampling: Sampling) -> float:
    """Return the temperature of the draw."""
    return min(max(sampling.temperature, _COLDEST), _HOTTEST)


def cuts(sampling: Sampling, vocab: int) -> bool:
    """Return whether top_k, top_p or min_p leaves anything out."""
    return 0 < sampling.top_k < vocab or sampling.top_p < 1.0 or sampling.min_p > 0.0


def uniform(seed: int, position: int) -> float:
    """Return the number in [0, 1) that belongs to `position` (from 0) of the stream `seed`.

    A multiple of 2^-53; seeds count modulo 2^64.
    """
    return (_mix(_mix(seed) + (position + 1) * _WEYL) >> 11) * 2.0**-53


def fork_seed(seed: int, index: int) -> int:
    """Return the seed of answer `index` to a request with `seed`; index 0 keeps the seed itself."""
    if index == 0:
        return seed
    return _mix(_mix(seed ^ _FORK) + index * _WEYL)


def _mix(word: int) -> int:
    word &= _WORD
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
