"""How idle power changes with time at the same temperature, as other programs come and go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, median

_ROUNDS = 5
_CERTAIN = 3.0  # standard errors from which on there is a drift
_NEAR = 1.5  # of the median miss: up to here all count alike, beyond it by their inverse
_TINY_W = 1e-9


def drift_w_per_s(groups: Iterable[Sequence[tuple[float, float]]]) -> float:
    """Watts that are added each second within groups of (seconds, watts); 0 in doubt.

    A group holds what was read at one temperature: the curve over temperature, whatever it is,
    lies between the groups and so is not touched.
    """
    centred = [_centred(group) for group in groups if len(group) > 1]
    pairs = [pair for group in centred for pair in group]
    freedom = len(pairs) - len(centred) - 1
    span = math.fsum(time_s**2 for time_s, _ in pairs)
    if freedom < 1 or span <= 0.0:
        return 0.0
    drift, weights, misses = 0.0, [1.0] * len(pairs), [0.0] * len(pairs)
    for _ in range(_ROUNDS):
        drift = _slope(pairs, weights)
        misses = [abs(power_w - drift * time_s) for time_s, power_w in pairs]
        near_w = _NEAR * median(misses) + _TINY_W
        weights = [near_w / max(near_w, miss) for miss in misses]
    squares = math.fsum(w * miss**2 for w, miss in zip(weights, misses, strict=True))
    return drift if abs(drift) > _CERTAIN * math.sqrt(squares / freedom / span) else 0.0


def _centred(group: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    time_s, power_w = (fmean(values) for values in zip(*group, strict=True))
    return [(each_s - time_s, each_w - power_w) for each_s, each_w in group]


def _slope(pairs: Sequence[tuple[float, float]], weights: Sequence[float]) -> float:
    both = math.fsum(w * t * p for w, (t, p) in zip(weights, pairs, strict=True))
    return both / math.fsum(w * t * t for w, (t, _) in zip(weights, pairs, strict=True))
