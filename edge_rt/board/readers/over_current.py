"""A Jetson's counters of events in which its supply was overloaded or too low."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

from edge_rt.board.readers.base import better_supply
from edge_rt.board.readers.clocks import GaugeFile, GaugeReader
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, hwmon_devices, numbered
from edge_rt.core.reports.finding import Finding, note

OVER_CURRENT = "soctherm_oc"  # name of the hwmon device, and of the reader
_MOST = 1 << 32


class OverCurrent(GaugeReader):
    """A `count` for each oc*_event_cnt of the hwmon device `soctherm_oc`.

    On an Orin oc1 counts under-voltage, oc2 over-current on average, and oc3 that of an instant;
    the hardware slows CPU and GPU down with each. Source: "Jetson Orin" in NVIDIA's Jetson Linux
    Developer Guide, platform power and performance.
    """

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        gauges = [
            GaugeFile(path.name, "count", path, 1.0, 0, _MOST)
            for _, folder in hwmon_devices(sysfs, frozenset((OVER_CURRENT,)))
            for path in numbered(folder, "oc*_event_cnt")
        ]
        reason = f"no hwmon device of that name below {sysfs}"
        super().__init__(OVER_CURRENT, gauges, 0.5, io, reason)

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield the events since boot."""
        if self.raised:
            told = ", ".join(f"{name} {count:g}" for name, count in self.raised.items())
            what = f"the board slowed down since boot to spare its supply ({told})"
            yield note("throttling", what, *better_supply(supply_w))
