"""Temperatures of processors that report through hwmon (x86: Intel and AMD)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.sensors.base import nothing, unique
from edge_rt.sensors.gauges import GaugeReader, temperature
from edge_rt.sensors.sysfs import FILE_IO, FileIo, first_line, hwmon_devices, numbered

DRIVERS = frozenset(("coretemp", "k10temp"))


class HwmonTemp(GaugeReader):
    """Every temperature of the drivers `coretemp` and `k10temp`, named "driver label"."""

    def __init__(
        self,
        sysfs: Path,
        period_s: float = 0.5,
        io: FileIo = FILE_IO,
        drivers: frozenset[str] = DRIVERS,
    ) -> None:
        found = [
            (f"{driver} {_label(path)}", path)
            for driver, folder in hwmon_devices(sysfs, drivers)
            for path in numbered(folder, "temp*_input")
        ]
        names = unique(name for name, _ in found)
        gauges = [temperature(n, path) for n, (_, path) in zip(names, found, strict=True)]
        reason = f"no {' or '.join(sorted(drivers))} among the hwmon devices below {sysfs}"
        super().__init__("hwmon-temp", gauges, period_s, nothing("hwmon-temp", reason, gauges), io)


def _label(path: Path) -> str:
    stem = path.name.removesuffix("_input")
    return first_line(path.with_name(f"{stem}_label")) or stem
