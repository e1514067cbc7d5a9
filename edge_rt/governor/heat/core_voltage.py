"""The voltage of cores at work, on which leakage depends."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from edge_rt.board.readers.cpufreq import CpuFreq
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.thermal.leakage.leakage import voltage


class CoreVoltage:
    """How much higher cores' voltage is at work than at rest, by our formula for voltages.

    Idle cores are taken to be at their lowest clock.
    """

    def __init__(self, felt: Callable[[], BoardSnapshot | None]) -> None:
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
        # The hardware's top clock: the highest one allowed now may be a limit of the governor's.
        readers = [reader for reader in felt.sampler.readers if isinstance(reader, CpuFreq)]
        tops = {p.name: p.hardware_max_hz for reader in readers for p in reader.policies}
        lows = {name: felt.sampler.reading(f"{name} min", "clock_hz") for name in tops}
        ends = [
            (low.value, top_hz)
            for name, top_hz in tops.items()
            if top_hz and (low := lows[name]) is not None and low.value
        ]
        if not ends:
            return None
        low = fmean(min(1.0, low_hz / top_hz) for low_hz, top_hz in ends)
        return low, max(top_hz for _, top_hz in ends)
