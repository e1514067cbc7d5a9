"""The INA3221 through the kernel's hwmon driver (Jetson from JetPack 5 on)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import Skipped, nothing
from edge_rt.board.readers.bounds import Known
from edge_rt.board.readers.power.ina3221_registers import bounds
from edge_rt.board.readers.power.rails import Rail, RailReader
from edge_rt.board.readers.sysfs import (
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

    `shunts` are the ohms that the driver reckons with, by rail, as far as it tells them;
    `shunt_files` are where it does.
    """

    def __init__(
        self,
        sysfs: Path,
        period_s: float = 0.1,
        io: FileIo = FILE_IO,
        known: Known = Known(),  # noqa: B008 - it is frozen
    ) -> None:
        rails: list[Rail] = []
        skipped: list[Skipped] = []
        folders = _folders(sysfs)
        for folder in folders:
            for number in (1, 2, 3):
                _sort(folder, number, known, rails, skipped)
        self.shunt_files = {rail.name: _shunt_file(rail.voltage) for rail in rails}
        found = {name: _ohms(file) for name, file in self.shunt_files.items()}
        self.shunts = {name: ohms for name, ohms in found.items() if ohms is not None}
        skipped += nothing("ina3221", f"no hwmon device of that name below {sysfs}", folders)
        super().__init__("ina3221", rails, period_s, skipped, io)


def _folders(sysfs: Path) -> list[Path]:
    # The driver's folder holds the same devices as class/hwmon: only a tree that lacks the
    # class is read from there, so that no rail is counted twice.
    found = [folder for _, folder in hwmon_devices(sysfs, frozenset(("ina3221",)))]
    return found or driver_devices(sysfs, "ina3221", "hwmon/hwmon*")


def _shunt_file(voltage: Path) -> Path:
    """Where the driver tells the shunt of a channel in micro-ohms, and takes another."""
    number = voltage.name.removeprefix("in").removesuffix("_input")
    return voltage.with_name(f"shunt{number}_resistor")


def _ohms(file: Path) -> float | None:
    micro = first_integer(file)
    return micro * 1e-6 if micro is not None and micro > 0 else None


def _sort(
    folder: Path, number: int, known: Known, rails: list[Rail], skipped: list[Skipped]
) -> None:
    voltage = folder / f"in{number}_input"
    label = first_line(folder / f"in{number}_label") or f"{bus_address(folder)}/{number}"
    if label.upper() == "NC":
        skipped.append(Skipped(f"{folder}/in{number}", "labelled NC: not connected"))
    elif first_integer(folder / f"in{number}_enable") == 0:
        skipped.append(Skipped(label, f"{folder}/in{number}_enable is 0: disabled"))
    elif not voltage.exists():
        skipped.append(Skipped(f"{folder}/in{number}", "no such channel"))
    else:
        ohms = _ohms(_shunt_file(voltage)) or known.shunts.get(label)
        limits, current = bounds(ohms, known.power), folder / f"curr{number}_input"
        rails.append(Rail(label, voltage, current, limits))
