"""The voltage of cores at work, on which leakage depends."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from edge_rt.board.snapshot import Felt
from edge_rt.thermal.leakage import voltage


class CoreVoltage:
    """How much higher cores' voltage is at work than at rest, by our formula for voltages.

    Idle cores are taken to be at their lowest clock.
    """

    def __init__(self, felt: Callable[[], Felt | None]) -> None:
        """`felt` gives the last look at the board, which tells the clocks."""
        self._felt = felt
        self._known: tuple[float, float] | None = None  # lowest clock as a share, top clock

    def ratio(self, cpu_hz: float | None = None) -> float:
        """Voltage at the highest clock allowed, over that of idle cores.

        `cpu_hz` is that clock; None: the top one. The ratio is 1 where clocks cannot be read.
        """
        if self._known is None:
            self._known = self._read()
        if self._known is None:
            return 1.0
        low, top_hz = self._known
        clock = 1.0 if cpu_hz is None else min(1.0, max(low, cpu_hz / top_hz))
        return voltage(clock) / voltage(low)

    def _read(self) -> tuple[float, float] | None:
        if (felt := self._felt()) is None:
            return None
        clocks = {
            reading.channel.name: reading.value
            for reading in felt.sampler.readings()
            if reading.channel.kind == "clock_hz" and reading.value
        }
        ends = [
            (low, clocks[top])
            for name, low in clocks.items()
            if name.endswith(" min") and (top := f"{name.removesuffix(' min')} max") in clocks
        ]
        if not ends:
            return None
        low = fmean(min(1.0, low_hz / top_hz) for low_hz, top_hz in ends)
        return low, max(top_hz for _, top_hz in ends)
