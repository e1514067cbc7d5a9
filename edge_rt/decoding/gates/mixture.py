"""Telling hard from easy where no threshold is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 50
_NARROWEST = 0.05  # of the spread of all values: no component shrinks to a single value
_APART = 2.0  # Ashman's D (Ashman, Bird and Zepf, Astronomical Journal 108, 1994)

Values = NDArray[np.float64]


class _Components(NamedTuple):
    """Of two Gaussians, the lower one first: (2,) each."""

    weight: Values
    mean: Values
    deviation: Values


def border(values: Sequence[float]) -> float | None:
    """The value above which one rather belongs to the upper of two groups; None: there is but one.

    After STEER (arXiv 2511.06190), which fits a mixture of two Gaussians to how confident steps
    are, in place of a threshold. Ours are the fit (expectation and maximisation from the split of
    least squares), the tests that there are two groups at all (the Bayesian information criterion,
    and means well apart), and the border where both are equally likely.
    """
    x = np.sort(np.asarray(values, np.float64))
    if x.size < 4 or x[0] == x[-1]:
        return None
    fitted = _fit(x)
    apart = math.sqrt(2.0) * float(np.ptp(fitted.mean)) / float(np.linalg.norm(fitted.deviation))
    if apart <= _APART or _gain(x, fitted) <= 1.5 * math.log(x.size):  # three parameters more
        return None
    return _crossing(fitted)


def _fit(x: Values) -> _Components:
    least = _NARROWEST * float(np.ptp(x))
    upper = (np.arange(x.size) >= _split(x)).astype(np.float64)
    fitted = _components(x, np.stack([1.0 - upper, upper]), least)
    for _ in range(_ROUNDS):
        density = _densities(x, fitted)
        fitted = _components(x, density / np.maximum(density.sum(axis=0), 1e-300), least)
    order = np.argsort(fitted.mean)
    return _Components(*(part[order] for part in fitted))


def _split(x: Values) -> int:
    """How many of the sorted values are the lower group, by least squares about two means."""
    low = np.arange(1, x.size)
    apart = np.cumsum(x - x.mean())[:-1] ** 2 / (low * (x.size - low))
    return int(apart.argmax()) + 1


def _gain(x: Values, fitted: _Components) -> float:
    """How much likelier, in nats, the values are from two Gaussians than from one."""
    two = np.log(np.maximum(_densities(x, fitted).sum(axis=0), 1e-300)).sum()
    return float(two) + x.size * (math.log(float(x.std())) + 0.5)


def _components(x: Values, share: Values, least: float) -> _Components:
    """The maximum-likelihood components when each value belongs to them by `share`, (2, n)."""
    weight = np.maximum(share.sum(axis=1), 1e-9)
    mean = share @ x / weight
    variance = (share * (x - mean[:, None]) ** 2).sum(axis=1) / weight
    return _Components(weight / x.size, mean, np.maximum(np.sqrt(variance), least))


def _densities(x: Values, fitted: _Components) -> Values:
    """Each component's weight times its density, but for a common factor, (2, n)."""
    weight, mean, deviation = (part[:, None] for part in fitted)
    return weight / deviation * np.exp(-0.5 * ((x - mean) / deviation) ** 2)


def _crossing(fitted: _Components) -> float:
    """Between the means, where both components are equally likely; found by halving."""
    low, high = map(float, fitted.mean)
    for _ in range(50):
        middle = (low + high) / 2.0
        below, above = map(float, _densities(np.array([middle]), fitted)[:, 0])
        low, high = (middle, high) if below > above else (low, middle)
    return (low + high) / 2.0
