"""Where the temperature goes under constant power."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate

from edge_rt.thermal.network import Network
from edge_rt.thermal.solve import Chain

HOUR_S = 3600.0
_FIRST_S, _GROWTH = 1.0, 0.25  # spans grow with the time they start at: far off, less counts
_PARTS = 4  # steps of a span
_HOTTEST_C = 150.0  # leakage is taken from here at most: the board is off long before


def _spans() -> tuple[float, ...]:
    spans, total_s = [_FIRST_S], _FIRST_S
    while total_s < HOUR_S:
        spans.append(max(_FIRST_S, _GROWTH * total_s))
        total_s += spans[-1]
    return tuple(spans)


SPANS_S = _spans()
TIMES_S = (0.0, *accumulate(SPANS_S))  # where a course is known; straight lines in between


class Course:
    """The chip's temperature from now on, from one set of figures.

    `leakage` is watts at a temperature in °C; what it grows by as the chip warms comes on top of
    the power that is asked for.
    """

    def __init__(
        self,
        network: Network,
        temps_c: Sequence[float],
        fan: float,
        leakage: Callable[[float], float] | None = None,
    ) -> None:
        """The fan stays as it is."""
        self._network, self._temps_c, self._fan = network, temps_c, fan
        self._leakage = leakage
        self._chains: list[Chain] = []

    def walk(self, power_w: float, count: int) -> list[float]:
        """The chip's temperature at the first `count` of TIMES_S."""
        for span_s in SPANS_S[len(self._chains) : count - 1]:
            self._chains.append(self._network.chain(span_s / _PARTS, self._fan))
        temps = self._temps_c
        found = [temps[0]]
        for chain in self._chains[: count - 1]:
            for _ in range(_PARTS):
                total_w = max(0.0, power_w + self._growth_w(temps[0]))
                temps = self._network.advance(chain, temps, total_w)
            found.append(temps[0])
        return found

    def _growth_w(self, chip_c: float) -> float:
        if self._leakage is None:
            return 0.0
        now_c = self._temps_c[0]
        return self._leakage(min(chip_c, _HOTTEST_C)) - self._leakage(min(now_c, _HOTTEST_C))


def reach(time_s: float) -> int:
    """How many of TIMES_S lead up to `time_s`, the last one not before it."""
    return min(len(TIMES_S), bisect_left(TIMES_S, time_s) + 1)


def between(values: Sequence[float], time_s: float) -> float:
    """On straight lines between `values` at TIMES_S; the last one behind them."""
    index = bisect_left(TIMES_S, time_s)
    if index == 0 or index >= len(values):
        return values[min(index, len(values) - 1)]
    share = (time_s - TIMES_S[index - 1]) / SPANS_S[index - 1]
    return values[index - 1] + share * (values[index] - values[index - 1])
