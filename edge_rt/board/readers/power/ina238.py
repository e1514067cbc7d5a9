"""The INA238, a one-channel power monitor at the input of newer carriers (Jetson Thor)."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import nothing
from edge_rt.board.readers.bounds import Bounds, Known
from edge_rt.board.readers.power.rails import Rail, RailReader
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_line, hwmon_devices

# Source: Texas Instruments SBOSA20, with the wider of its two ranges for the shunt.
BUS_HIGH_V = 85.0
SHUNT_HIGH_V, SHUNT_STEP_V = 0.16384, 5e-6
LEAST_OHM = 0.0005  # of any shunt known; where nothing tells the rail's own

_NAMES = frozenset(("ina238", "ina237"))


class Ina238(RailReader):
    """Every INA238 below `sysfs`, named by its label or, without one, `name`.

    The chip multiplies by itself: power comes from power1_input in µW. It covers the module and
    the carrier, so it is the whole and never added to the module's rails.
    """

    def __init__(
        self,
        sysfs: Path,
        period_s: float = 0.1,
        io: FileIo = FILE_IO,
        name: str = "VIN",
        known: Known = Known(),  # noqa: B008 - it is frozen
    ) -> None:
        rails = [_rail(folder, name, known) for _, folder in hwmon_devices(sysfs, _NAMES)]
        reason = f"no hwmon device of that name below {sysfs}"
        super().__init__("ina238", rails, period_s, nothing("ina238", reason, rails), io)


def _rail(folder: Path, name: str, known: Known) -> Rail:
    label = first_line(folder / "in1_label") or first_line(folder / "label") or name
    voltage, current = folder / "in1_input", folder / "curr1_input"
    ohms = known.shunts.get(label, LEAST_OHM)
    amps = (SHUNT_HIGH_V - SHUNT_STEP_V) / ohms  # at its end it may be anything beyond
    bounds = (
        known.power,
        Bounds(0.0, BUS_HIGH_V, "is what an INA238 measures"),
        Bounds(-amps, amps, f"is what an INA238 measures over {ohms * 1e3:.4g} mΩ"),
    )
    return Rail(label, voltage, current, bounds, folder / "power1_input")
