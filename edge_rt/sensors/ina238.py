"""The INA238, a one-channel power monitor at the input of newer carriers (Jetson Thor)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.sensors.base import nothing
from edge_rt.sensors.rails import Rail, RailReader
from edge_rt.sensors.sysfs import FILE_IO, FileIo, first_line, hwmon_devices

_NAMES = frozenset(("ina238", "ina237"))


class Ina238(RailReader):
    """Every INA238 below `sysfs`, named by its label or, without one, `name`.

    The chip multiplies by itself: power comes from power1_input in µW. It covers the module and
    the carrier, so it is the whole and never added to the module's rails.
    """

    def __init__(
        self, sysfs: Path, period_s: float = 0.1, io: FileIo = FILE_IO, name: str = "VIN"
    ) -> None:
        rails = [_rail(folder, name) for _, folder in hwmon_devices(sysfs, _NAMES)]
        reason = f"no hwmon device of that name below {sysfs}"
        super().__init__("ina238", rails, period_s, nothing("ina238", reason, rails), io)


def _rail(folder: Path, name: str) -> Rail:
    label = first_line(folder / "in1_label") or first_line(folder / "label") or name
    voltage, current = folder / "in1_input", folder / "curr1_input"
    return Rail(label, voltage, current, folder / "power1_input", 1e-6)
