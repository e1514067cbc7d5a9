"""The INA3221 through the kernel's hwmon driver (Jetson from JetPack 5 on)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import Skipped
from edge_rt.board.readers.bounds import Known
from edge_rt.board.readers.power.ina3221_registers import bounds
from edge_rt.board.readers.power.rails import ChipReader, Rail
from edge_rt.board.readers.sysfs import (
    bus_address,
    driver_devices,
    first_integer,
    first_line,
    hwmon_devices,
)


class Ina3221Hwmon(ChipReader):
    """Every used channel of every INA3221 that the kernel's driver owns.

    Channels that are disabled or labelled NC are left out. The driver has no power file: power is
    voltage times current. Source: Documentation/hwmon/ina3221.rst of the kernel.
    """

    driver = "ina3221"
    bus = "hwmon"
    numbers = (1, 2, 3)

    @property
    def shunt_files(self) -> dict[str, Path]:
        """The files with the shunts, by rail: the driver tells them there and takes others."""
        return {rail.name: _shunt_file(rail.voltage) for rail in self.rails}

    @property
    def shunts(self) -> dict[str, float]:
        """The shunts in ohms that the driver divides by, by rail, as far as it tells them."""
        found = {name: _ohms(file) for name, file in self.shunt_files.items()}
        return {name: ohms for name, ohms in found.items() if ohms is not None}

    @staticmethod
    def _folders(sysfs: Path) -> list[Path]:
        # The driver's folder holds the same devices as class/hwmon: only a tree that lacks the
        # class is read from there, so that no rail is counted twice.
        found = [folder for _, folder in hwmon_devices(sysfs, frozenset(("ina3221",)))]
        return found or driver_devices(sysfs, "ina3221", "hwmon/hwmon*")

    @staticmethod
    def _channel(folder: Path, number: int, known: Known) -> Rail | Skipped:
        voltage = folder / f"in{number}_input"
        label = first_line(folder / f"in{number}_label") or f"{bus_address(folder)}/{number}"
        if label.upper() == "NC":
            return Skipped(f"{folder}/in{number}", "labelled NC: not connected")
        if first_integer(folder / f"in{number}_enable") == 0:
            return Skipped(label, f"{folder}/in{number}_enable is 0: disabled")
        if not voltage.exists():
            return Skipped(f"{folder}/in{number}", "no such channel")
        ohms = _ohms(_shunt_file(voltage)) or known.shunts.get(label)
        return Rail(label, voltage, folder / f"curr{number}_input", bounds(ohms, known.power))


def _shunt_file(voltage: Path) -> Path:
    """Return the file with the shunt of a channel in micro-ohms."""
    number = voltage.name.removeprefix("in").removesuffix("_input")
    return voltage.with_name(f"shunt{number}_resistor")


def _ohms(file: Path) -> float | None:
    micro = first_integer(file)
    return micro * 1e-6 if micro is not None and micro > 0 else None
