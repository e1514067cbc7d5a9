"""Readers of rails: power, voltage and current of each, from two or three files; and the INA238."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edge_rt.board.readers.base import (
    BaseReader,
    SensorAccess,
    Skipped,
    rail_channels,
    unique,
)
from edge_rt.board.readers.bounds import RailFacts, ReadingBounds
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile, first_line, hwmon_devices

HIGH_MILLI = 10**9  # mV and mA; the bounds of a rail are narrower
POWER_HIGH_UW = 10**12

# Source: Texas Instruments SBOSA20, with the wider of its two ranges for the shunt.
BUS_HIGH_V = 85.0
SHUNT_HIGH_V, SHUNT_STEP_V = 0.16384, 5e-6
LEAST_OHM = 0.0005  # of any shunt known; where nothing tells the rail's own
_NAMES = frozenset(("ina238", "ina237"))
INA238_ACCESS = SensorAccess("the INA238, which some carrier boards have", ("ina238",))


@dataclass(frozen=True)
class RailFiles:
    """Where one rail is read: mV and mA, and where the chip gives it the power as well.

    `bounds` are those of power, voltage and current.
    """

    name: str
    voltage: Path
    current: Path
    bounds: tuple[ReadingBounds, ReadingBounds, ReadingBounds]
    power: Path | None = None
    power_scale: float = 1e-6  # watts in one step of the power file

    @property
    def sources(self) -> tuple[str, str, str]:
        """The sources of power, voltage and current."""
        product = f"{self.voltage} x {self.current.name}"
        power = product if self.power is None else str(self.power)
        return power, str(self.voltage), str(self.current)


class RailReader(BaseReader):
    """Gives `power_w`, `voltage_v` and `current_a` for each rail, in this order.

    Without a power file power is voltage times current; the two are read one after the other, a
    fraction of a millisecond apart. Power that is far from their product is refused.
    """

    def __init__(
        self,
        name: str,
        rails: Sequence[RailFiles],
        period_s: float,
        io: FileIo = FILE_IO,
        absent: str = "",
        skipped: Sequence[Skipped] = (),
    ) -> None:
        rows = zip(unique(r.name for r in rails), rails, strict=True)
        channels = [c for n, r in rows for c in rail_channels(n, *r.sources)]
        bounds = dict(enumerate(b for r in rails for b in r.bounds))
        super().__init__(name, channels, period_s, skipped, bounds, absent)
        self._rails = [
            (HeldFile(r.voltage, io), HeldFile(r.current, io), _power(r, io)) for r in rails
        ]

    def close(self) -> None:
        for voltage, current, power in self._rails:
            voltage.close()
            current.close()
            if power is not None:
                power[0].close()

    def _number(self, file: HeldFile, low: int, high: int) -> int | None:
        return file.number(low, high)

    def _read(self) -> None:
        for position, (voltage, current, power) in enumerate(self._rails):
            volts, amps = (self._figure(file, HIGH_MILLI, 1e-3) for file in (voltage, current))
            watts = None if power is None else self._figure(power[0], POWER_HIGH_UW, power[1])
            self._put_rail(3 * position, volts, amps, watts)

    def _figure(self, file: HeldFile, high: int, scale: float) -> float | str:
        raw = self._number(file, -high, high)
        return file.error or "" if raw is None else raw * scale


class ChipReader(RailReader):
    """The rails of all chips of one kernel driver, which numbers the channels of each chip."""

    driver: ClassVar[str]  # the name of the reader, too
    bus: ClassVar[str]  # "hwmon" or "iio", for people
    numbers: ClassVar[tuple[int, ...]]  # of a chip's channels

    def __init__(
        self,
        sysfs: Path,
        io: FileIo = FILE_IO,
        known: RailFacts = RailFacts(),  # noqa: B008 - it is frozen
    ) -> None:
        folders = self._folders(sysfs)
        found = [self._channel(folder, n, known) for folder in folders for n in self.numbers]
        rails = [one for one in found if isinstance(one, RailFiles)]
        skipped = [one for one in found if isinstance(one, Skipped)]
        if not folders:
            skipped.append(
                Skipped(self.driver, f"no {self.bus} device of that driver below {sysfs}")
            )
        super().__init__(self.driver, rails, 0.1, io, skipped=skipped)
        self.rails = rails

    @staticmethod
    @abstractmethod
    def _folders(sysfs: Path) -> list[Path]:
        """Return the folder of each chip."""

    @staticmethod
    @abstractmethod
    def _channel(folder: Path, number: int, known: RailFacts) -> RailFiles | Skipped:
        """Return where a channel is read, or why it is not."""


def _power(rail: RailFiles, io: FileIo) -> tuple[HeldFile, float] | None:
    return None if rail.power is None else (HeldFile(rail.power, io), rail.power_scale)


class Ina238(RailReader):
    """Every INA238 below `sysfs`, named by its label or, without one, VIN.

    The chip multiplies by itself: power comes from power1_input in µW. It covers the module and
    the carrier, so it is the whole and never added to the module's rails.
    """

    def __init__(
        self,
        sysfs: Path,
        io: FileIo = FILE_IO,
        known: RailFacts = RailFacts(),  # noqa: B008 - it is frozen
    ) -> None:
        rails = [_rail(folder, known) for _, folder in hwmon_devices(sysfs, _NAMES)]
        reason = f"no hwmon device of that name below {sysfs}"
        super().__init__("ina238", rails, 0.1, io, reason)


def _rail(folder: Path, known: RailFacts) -> RailFiles:
    label = first_line(folder / "in1_label") or first_line(folder / "label") or "VIN"
    voltage, current = folder / "in1_input", folder / "curr1_input"
    ohms = known.shunts.get(label, LEAST_OHM)
    amps = (SHUNT_HIGH_V - SHUNT_STEP_V) / ohms  # at its end it may be anything beyond
    bounds = (
        known.power,
        ReadingBounds(0.0, BUS_HIGH_V, "is what an INA238 measures"),
        ReadingBounds(-amps, amps, f"is what an INA238 measures over {ohms * 1e3:.4g} mΩ"),
    )
    return RailFiles(label, voltage, current, bounds, folder / "power1_input")
