"""Clocks of other devices: GPU and memory."""

from __future__ import annotations

from pathlib import Path

from edge_rt.sensors.base import nothing
from edge_rt.sensors.gauges import GaugeReader, gauge
from edge_rt.sensors.sysfs import FILE_IO, FileIo, numbered

_HZ_HIGH = 20_000_000_000


class DevFreq(GaugeReader):
    """`clock_hz` of each devfreq device, named as the kernel names it, such as "gpu-gpc-0"."""

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        base = sysfs / "class" / "devfreq"
        files = [f / "cur_freq" for f in numbered(base, "*") if (f / "cur_freq").exists()]
        gauges = [gauge(p.parent.name, "clock_hz", p, 1.0, 0, _HZ_HIGH) for p in files]
        reason = f"no device with cur_freq below {base}"
        super().__init__("devfreq", gauges, period_s, nothing("devfreq", reason, gauges), io)
