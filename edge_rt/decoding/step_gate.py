"""The gate that decides once for each step, by the first token of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_rt.decoding.gate import Gate, GateVerdict, Look, Writer

_BLANK = b" \t\r\v\f"
_LF = ord("\n")
_ROUNDS = 50
_NARROWEST = 0.05  # of the spread of all values: no component shrinks to a single value
_APART = 2.0  # Ashman's D (Ashman, Bird and Zepf, Astronomical Journal 108, 1994)
_TOP = 20  # tokens that the entropy is taken over
_ENOUGH = 12  # steps before a mixture is fitted


class Steps:
    """Cuts text at blank lines, however tokens cut it.

    A blank line is two line feeds with nothing but white space between. The next step begins with
    the token after that which completes the blank line; further line feeds begin no other one.
    """

    def __init__(self) -> None:
        self._feeds = 2  # since the last ink; an answer begins as after a blank line

    def feed(self, piece: bytes) -> bool:
        """Add `piece` to the text; return whether a blank line is complete in it."""
        ended = False
        for byte in piece:
            if byte == _LF:
                self._feeds += 1
                ended = ended or self._feeds == 2
            elif byte not in _BLANK:
                self._feeds = 0
        return ended


Values = NDArray[np.float64]


class _Components(NamedTuple):
    """The parameters of two Gaussians, the lower one first, of shape (2,) each."""

    weight: Values
    mean: Values
    deviation: Values


def border(values: Sequence[float]) -> float | None:
    """Return the least value of the upper of two groups; None: there is but one.

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
    """Return the maximum-likelihood components of values that belong to them by `share`, (2, n)."""
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


class StepGate(Gate):
    """After GlimpRouter (arXiv 2601.05110): one glimpse decides who writes a whole step.

    Steps are parted by blank lines, and the answer's beginning begins one. The measure is the
    entropy, in nats, of the small model's 20 likeliest first tokens of a step: above the threshold
    that token is discarded and the large model writes the step. After its steps the small model
    looks at the next one.

    With `mixture` the threshold moves, once there are twelve steps, to the border of two groups of
    steps where there are two (after STEER, arXiv 2511.06190, whose measure is another; see
    `border`).
    """

    def __init__(self, threshold: float, *, mixture: bool = False) -> None:
        self.threshold = threshold
        self._first = threshold
        self._mixture = mixture
        self._values: list[float] = []
        self._steps = Steps()
        self._begins = True

    def looks(self, writer: Writer) -> Look | None:
        return (lambda view: view.top_entropy(_TOP)) if self._glimpses(writer) else None

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self.measure = None
        if not self._glimpses(writer):
            return GateVerdict(take=True, then=writer)
        self.measure = seen
        self._learn(seen)
        if seen > self.threshold:
            return GateVerdict(take=False, then="large")
        return GateVerdict(take=True, then="small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        self._begins = self._steps.feed(piece)
        return "small" if self._begins else None

    def _glimpses(self, writer: Writer) -> bool:
        return self._begins and writer == "small"

    def _learn(self, value: float) -> None:
        self._values.append(value)
        if self._mixture and len(self._values) >= _ENOUGH:
            found = border(self._values)
            self.threshold = self._first if found is None else found
