"""The INA3221 through the kernel's hwmon driver (JetPack 5 and later) or iio driver (JetPack 4)."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from edge_rt.board.readers.base import SensorAccess, Skipped
from edge_rt.board.readers.bounds import RailFacts, ReadingBounds
from edge_rt.board.readers.rails import ChipReader, RailFiles
from edge_rt.board.readers.sysfs import (
    HeldFile,
    bus_address,
    driver_devices,
    first_integer,
    first_line,
    hwmon_devices,
    numbered,
)

CONFIG = 0x00
MANUFACTURER, MANUFACTURER_ID = 0xFE, 0x5449
DIE, DIE_ID = 0xFF, 0x3220
BUS_STEP_V = 8e-3
SHUNT_STEP_V = 40e-6
BUS_HIGH_V = 26.0
SHUNT_HIGH_V = 0.16384
_WITH_UNIT = re.compile(rb"\s*(-?\d+)\s+m[avw]\s*", re.IGNORECASE)
LEAST_OHM = 0.001  # of any shunt known; where nothing tells the rail's own


def bounds(
    ohms: float | None, power: ReadingBounds
) -> tuple[ReadingBounds, ReadingBounds, ReadingBounds]:
    """Return the power, voltage and current that the chip can tell of a rail with that shunt.

    A figure at the end of the shunt's range is refused: the current may be anything beyond it.
    """
    shunt = LEAST_OHM if ohms is None else ohms
    amps = (SHUNT_HIGH_V - 2.0 * SHUNT_STEP_V) / shunt
    of = f"is what an INA3221 measures over {shunt * 1e3:.4g} mΩ"
    volts = ReadingBounds(0.0, BUS_HIGH_V, "is what an INA3221 measures")
    return power, volts, ReadingBounds(-amps, amps, of)


def shunt_register(channel: int) -> int:
    """Return the register of the voltage over the shunt of channel 1, 2 or 3."""
    return 2 * channel - 1


def bus_register(channel: int) -> int:
    """Return the register of the bus voltage of channel 1, 2 or 3."""
    return 2 * channel


def swapped(word: int) -> int:
    """Return the chip's word from an SMBus word.

    SMBus sends the low byte first, the chip the high.
    """
    return ((word & 0xFF) << 8) | ((word >> 8) & 0xFF)


def steps(register: int) -> int:
    """Return the signed 13-bit figure in the upper bits of a measurement register, in steps."""
    value = (register >> 3) & 0x1FFF
    return value - 0x2000 if value & 0x1000 else value


def enabled(config: int, channel: int) -> bool:
    """Return whether the configuration register lets channel 1, 2 or 3 measure."""
    return bool(config & (1 << (15 - channel)))


def continuous(config: int) -> bool:
    """Return whether the chip measures shunts and buses all the time, and is not powered down."""
    return config & 0b111 == 0b111


def udev_rule(group: str) -> str:
    """Return the udev rule, one line, that lets `group` read the rails where only root may."""
    files = "/sys%p/in_*_input /sys%p/rail_name_*"
    return (
        'ACTION!="remove", SUBSYSTEM=="iio", KERNEL=="iio:device*", ATTR{name}=="ina3221x", '
        f"RUN+=\"/bin/sh -c 'chgrp {group} {files}'\", RUN+=\"/bin/sh -c 'chmod g+r {files}'\""
    )


ACCESS = SensorAccess(
    "the INA3221",
    ("ina3221", "ina3221x", "ina3221-i2c"),
    module="ina3221",
    subsystem="iio",
    rule=udev_rule,
)


class Ina3221Iio(ChipReader):
    """Every used channel of every INA3221 that the JetPack 4 driver owns.

    Its files end in 0, 1, 2 and hold mV, mA and mW; a value may have its unit behind it.
    """

    driver = "ina3221x"
    bus = "iio"
    numbers = (0, 1, 2)

    @staticmethod
    def _folders(sysfs: Path) -> list[Path]:
        found = driver_devices(sysfs, "ina3221x", "iio:device*")
        if found:
            return found
        devices = numbered(sysfs / "bus" / "iio" / "devices", "iio:device*")
        return [folder for folder in devices if first_line(folder / "name") == "ina3221x"]

    @staticmethod
    def _channel(folder: Path, number: int, known: RailFacts) -> RailFiles | Skipped:
        voltage = folder / f"in_voltage{number}_input"
        label = first_line(folder / f"rail_name_{number}") or f"{bus_address(folder)}/{number + 1}"
        power = folder / f"in_power{number}_input"
        if label.upper() == "NC":
            return Skipped(f"{folder}/rail_name_{number}", "labelled NC: not connected")
        if not voltage.exists():
            return Skipped(f"{folder}/in_voltage{number}", "no such channel")
        current = folder / f"in_current{number}_input"
        limits = bounds(known.shunts.get(label), known.power)
        return RailFiles(label, voltage, current, limits, power if power.exists() else None, 1e-3)

    def _number(self, file: HeldFile, low: int, high: int) -> int | None:
        raw = file.number(low, high)
        if raw is None and file.errno in (errno.EACCES, errno.EPERM):
            file.error = f"{file.path} may only be read by root: edge-rt doctor tells the udev rule"
        return _without_unit(file, low, high) if raw is None and file.errno == 0 else raw


def _without_unit(file: HeldFile, low: int, high: int) -> int | None:
    error, found = file.error, _WITH_UNIT.fullmatch(file.read() or b"")
    if found is not None and low <= int(found[1]) <= high:
        return int(found[1])
    file.error = error
    return None


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
    def _channel(folder: Path, number: int, known: RailFacts) -> RailFiles | Skipped:
        voltage = folder / f"in{number}_input"
        label = first_line(folder / f"in{number}_label") or f"{bus_address(folder)}/{number}"
        if label.upper() == "NC":
            return Skipped(f"{folder}/in{number}", "labelled NC: not connected")
        if first_integer(folder / f"in{number}_enable") == 0:
            return Skipped(label, f"{folder}/in{number}_enable is 0: disabled")
        if not voltage.exists():
            return Skipped(f"{folder}/in{number}", "no such channel")
        ohms = _ohms(_shunt_file(voltage)) or known.shunts.get(label)
        return RailFiles(label, voltage, folder / f"curr{number}_input", bounds(ohms, known.power))


def _shunt_file(voltage: Path) -> Path:
    """Return the file with the shunt of a channel in micro-ohms."""
    number = voltage.name.removeprefix("in").removesuffix("_input")
    return voltage.with_name(f"shunt{number}_resistor")


def _ohms(file: Path) -> float | None:
    micro = first_integer(file)
    return micro * 1e-6 if micro is not None and micro > 0 else None
