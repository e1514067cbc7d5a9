"""Temperatures of processors that report through hwmon (x86: Intel and AMD)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import nothing, unique
from edge_rt.board.readers.gauges import GaugeReader, temperature
from edge_rt.board.readers.sysfs import (
    FILE_IO,
    FileIo,
    first_integer,
    first_line,
    hwmon_devices,
    numbered,
)

DRIVERS = frozenset(("coretemp", "k10temp", "zenpower", "amdgpu"))

# What the kernel registers for a thermal zone (cpu_thermal) is not read here: the zone is.


class HwmonTemp(GaugeReader):
    """Every temperature of the drivers in DRIVERS, named "driver label".

    `limits_c` has, by channel, the limit at which the processor slows itself down, where
    `temp*_crit` tells it: Intel's TjMax, AMD's hardware thermal control. `temp*_max` is another
    thing: a fixed 70 °C in k10temp, in coretemp the temperature for the fastest fans.
    """

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
        crits = [first_integer(_file(path, "crit")) for _, path in found]
        limits = zip(names, crits, strict=True)
        self.limits_c = {name: crit * 1e-3 for name, crit in limits if crit is not None}
        reason = f"no {' or '.join(sorted(drivers))} among the hwmon devices below {sysfs}"
        super().__init__("hwmon-temp", gauges, period_s, nothing("hwmon-temp", reason, gauges), io)


def _label(path: Path) -> str:
    return first_line(_file(path, "label")) or path.name.removesuffix("_input")


def _file(path: Path, kind: str) -> Path:
    """The file beside a `temp1_input`, such as `temp1_crit`."""
    return path.with_name(f"{path.name.removesuffix('input')}{kind}")
