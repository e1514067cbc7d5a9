"""The INA3221 through the kernel's hwmon driver (Jetson from JetPack 5 on)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.sensors.base import Skipped, nothing
from edge_rt.sensors.rails import Rail, RailReader
from edge_rt.sensors.sysfs import (
    FILE_IO,
    FileIo,
    bus_address,
    driver_devices,
    first_integer,
    first_line,
    hwmon_devices,
)


class Ina3221Hwmon(RailReader):
    """Every used channel of every INA3221 that the kernel's driver owns.

    Channels that are disabled or labelled NC are left out. The driver has no power file: power is
    voltage times current. Source: Documentation/hwmon/ina3221.rst of the kernel.
    """

    def __init__(self, sysfs: Path, period_s: float = 0.1, io: FileIo = FILE_IO) -> None:
        rails: list[Rail] = []
        skipped: list[Skipped] = []
        folders = _folders(sysfs)
        for folder in folders:
            for number in (1, 2, 3):
                _sort(folder, number, rails, skipped)
        skipped += nothing("ina3221", f"no hwmon device of that name below {sysfs}", folders)
        super().__init__("ina3221", rails, period_s, skipped, io)


def _folders(sysfs: Path) -> list[Path]:
    # The driver's folder holds the same devices as class/hwmon: only a tree that lacks the
    # class is read from there, so that no rail is counted twice.
    found = [folder for _, folder in hwmon_devices(sysfs, frozenset(("ina3221",)))]
    return found or driver_devices(sysfs, "ina3221", "hwmon/hwmon*")


def _sort(folder: Path, number: int, rails: list[Rail], skipped: list[Skipped]) -> None:
    voltage = folder / f"in{number}_input"
    label = first_line(folder / f"in{number}_label") or f"{bus_address(folder)}/{number}"
    if label.upper() == "NC":
        skipped.append(Skipped(f"{folder}/in{number}", "labelled NC: not connected"))
    elif first_integer(folder / f"in{number}_enable") == 0:
        skipped.append(Skipped(label, f"{folder}/in{number}_enable is 0: disabled"))
    elif not voltage.exists():
        skipped.append(Skipped(f"{folder}/in{number}", "no such channel"))
    else:
        rails.append(Rail(label, voltage, folder / f"curr{number}_input"))
