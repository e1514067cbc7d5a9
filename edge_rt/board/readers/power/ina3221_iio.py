"""The INA3221 through NVIDIA's iio driver `ina3221x` (JetPack 4)."""

from __future__ import annotations

import errno
from pathlib import Path

from edge_rt.board.readers.base import Skipped
from edge_rt.board.readers.bounds import Known
from edge_rt.board.readers.power.ina3221_registers import bounds
from edge_rt.board.readers.power.rails import ChipReader, Rail
from edge_rt.board.readers.sysfs import (
    HeldFile,
    bus_address,
    driver_devices,
    first_line,
    numbered,
)


def udev_rule(group: str) -> str:
    """The udev rule, one line, that lets `group` read the rails where only root may."""
    files = "/sys%p/in_*_input /sys%p/rail_name_*"
    return (
        'ACTION!="remove", SUBSYSTEM=="iio", KERNEL=="iio:device*", ATTR{name}=="ina3221x", '
        f"RUN+=\"/bin/sh -c 'chgrp {group} {files}'\", RUN+=\"/bin/sh -c 'chmod g+r {files}'\""
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
    def _channel(folder: Path, number: int, known: Known) -> Rail | Skipped:
        voltage = folder / f"in_voltage{number}_input"
        label = first_line(folder / f"rail_name_{number}") or f"{bus_address(folder)}/{number + 1}"
        power = folder / f"in_power{number}_input"
        if label.upper() == "NC":
            return Skipped(f"{folder}/rail_name_{number}", "labelled NC: not connected")
        if not voltage.exists():
            return Skipped(f"{folder}/in_voltage{number}", "no such channel")
        current = folder / f"in_current{number}_input"
        limits = bounds(known.shunts.get(label), known.power)
        return Rail(label, voltage, current, limits, power if power.exists() else None, 1e-3)

    def _number(self, file: HeldFile, low: int, high: int) -> int | None:
        raw = file.number(low, high)
        if raw is None and file.errno in (errno.EACCES, errno.EPERM):
            file.error = f"{file.path} may only be read by root: edge-rt doctor tells the udev rule"
        return _without_unit(file, low, high) if raw is None and file.errno == 0 else raw


def _without_unit(file: HeldFile, low: int, high: int) -> int | None:
    error = file.error
    words = (file.read() or b"").split()
    if len(words) == 2 and words[1].lower() in (b"ma", b"mv", b"mw") and _is_integer(words[0]):
        value = int(words[0])
        if low <= value <= high:
            return value
    file.error = error
    return None


def _is_integer(word: bytes) -> bool:
    return word.lstrip(b"-").isdigit() and word.count(b"-") <= 1
