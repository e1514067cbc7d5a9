"""How warm the board is, as predictions take it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from edge_rt.daemon.board_report import Felt
from edge_rt.daemon.leakage import LeakageWatch
from edge_rt.energy.warmth import Warmth
from edge_rt.governor.limits import Observation
from edge_rt.thermal.leakage import voltage


class WarmthNow:
    """The present temperature, and what the chip leaks at work."""

    def __init__(
        self,
        felt: Callable[[], Felt | None],
        seen: Callable[[], Observation | None],
        leakage: LeakageWatch,
    ) -> None:
        """`seen` is the governor's last look."""
        self._felt, self._seen, self._leakage = felt, seen, leakage
        self._known: tuple[Felt | None, float] | None = None

    def __call__(self) -> Warmth | None:
        """None while temperature or leakage is not known."""
        seen, fit = self._seen(), self._leakage.fit
        if seen is None or seen.temp_c is None or fit is None:
            return None
        rise = self._rise()
        return Warmth(seen.temp_c, lambda at_c: rise * fit.leakage.power_w(at_c))

    def _rise(self) -> float:
        """How much of its idle leakage comes on top at work; looked up once for each look."""
        felt = self._felt()
        if self._known is None or self._known[0] is not felt:
            self._known = felt, 0.0 if felt is None else rise(felt)
        return self._known[1]


def rise(felt: Felt) -> float:
    """By how much leakage rises, as a share, from the lowest clock, of an idle chip, to the top.

    0 where clocks cannot be read.
    """
    clocks = {
        reading.channel.name: reading.value
        for reading in felt.sampler.readings()
        if reading.channel.kind == "clock_hz" and reading.value
    }
    shares = [
        min(1.0, low / clocks[top])
        for name, low in clocks.items()
        if name.endswith(" min") and (top := f"{name.removesuffix(' min')} max") in clocks
    ]
    return 1.0 / voltage(fmean(shares)) - 1.0 if shares else 0.0
