"""Finds what this board can be read with, and tells what it looked for in vain."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from edge_rt.board.readers.base import (
    PATIENCE_S,
    PENDING,
    BaseReader,
    Hung,
    Skipped,
    within,
)
from edge_rt.board.readers.bounds import RailFacts
from edge_rt.board.readers.clocks import CpuFreq, DevFreq, GpuReader
from edge_rt.board.readers.cpu import CpuLoad, MemoryReader
from edge_rt.board.readers.heat import FanReader, HwmonTemp, ThermalReader, ThermalThrottle
from edge_rt.board.readers.ina3221 import Ina3221Hwmon, Ina3221Iio
from edge_rt.board.readers.ina3221_i2c import Ina3221I2c, RawChip, WordBus, open_bus
from edge_rt.board.readers.modelled import Coefficients, ModelledPower
from edge_rt.board.readers.over_current import OVER_CURRENT, OverCurrent
from edge_rt.board.readers.rails import Ina238
from edge_rt.board.readers.rapl import Rapl
from edge_rt.board.readers.raspberry_pi import PiPmicReader, PiThrottled, PiVolt
from edge_rt.board.readers.sysfs import FILE_IO, FileIo
from edge_rt.board.readers.videocore import Firmware, FirmwareFiles, Mailbox

T = TypeVar("T")


@dataclass(frozen=True)
class Roots:
    """Where the board's files begin; a simulated board has its own."""

    sysfs: Path = Path("/sys")
    proc: Path = Path("/proc")
    dev: Path = Path("/dev")


MakeReader = Callable[[Roots], BaseReader]
"""Looks for one kind of sensor below the roots; the entry points `edge_rt.readers` name such."""


@dataclass(frozen=True)
class WantedReaders:
    """What the files alone do not tell.

    `model` is used only where the rails whose power can be read now are not `measured` enough to
    tell the board's. `known` is what the profile tells of rails; `others` load the makers of
    readers that other packages bring, by the names of the readers.
    """

    chips: tuple[RawChip, ...] = ()
    model: Coefficients | None = None
    measured: Callable[[Collection[str]], bool] = bool
    known: RailFacts = RailFacts()  # noqa: RUF009 - it is frozen
    others: Mapping[str, Callable[[], MakeReader]] = field(
        default_factory=dict[str, Callable[[], MakeReader]]
    )


@dataclass(frozen=True)
class Discovery:
    """Readers that have channels, and everything that was looked for and is not read."""

    readers: tuple[BaseReader, ...]
    skipped: tuple[Skipped, ...]


def discover(
    roots: Roots,
    wanted: WantedReaders | None = None,
    io: FileIo = FILE_IO,
    clock: Callable[[], float] = time.monotonic,
    bus: Callable[[Path], WordBus] = open_bus,
    patience_s: float = PATIENCE_S,
) -> Discovery:
    """Look for everything below `roots`. Never raises; `clock` is in seconds.

    What does not answer within `patience_s` is skipped.
    """
    search = _Search(roots, wanted or WantedReaders(), io, clock, bus, patience_s)
    tried = search.run()
    for reader in tried:
        search.skipped.extend(reader.skipped)
        if not reader.channels:
            reader.close()
    return Discovery(tuple(one for one in tried if one.channels), tuple(search.skipped))


@dataclass(frozen=True)
class _Search:
    """One search for readers; files that cannot be read are added to `skipped`."""

    roots: Roots
    wanted: WantedReaders
    io: FileIo
    clock: Callable[[], float]
    bus: Callable[[Path], WordBus]
    patience_s: float
    skipped: list[Skipped] = field(default_factory=list[Skipped])

    def run(self) -> list[BaseReader]:
        """Return the readers that answer, those without channels among them.

        The model is among them where none gives the whole's power.
        """
        readers, given = list[BaseReader](), list[str]()
        wanted, roots = self.wanted, self.roots
        made = [self._do(name, make) for name, make in self._makers().items()]
        for reader in (*filter(None, made), *self._raw(), *self._others()):
            powers = self._do(reader.name, partial(_powers, reader))
            if powers is not None:
                readers.append(reader)
                given.extend(powers)
        if wanted.model is not None and not wanted.measured(given):
            args = roots.sysfs, roots.proc, wanted.model
            readers.append(ModelledPower(*args, io=self.io, clock=self.clock))
        return readers

    def _do(self, name: str, work: Callable[[], T]) -> T | None:
        """Return what `work` gives; None where it does not end in time."""
        try:
            return within(name, work, self.patience_s)
        except Hung as hung:
            self.skipped.append(hung.skipped)
            return None

    def _makers(self) -> dict[str, Callable[[], BaseReader]]:
        sysfs, proc, io, clock = self.roots.sysfs, self.roots.proc, self.io, self.clock
        known, firmware = self.wanted.known, find_firmware(self.roots.dev)
        makers: dict[str, Callable[[], BaseReader]] = {
            "ina3221": lambda: Ina3221Hwmon(sysfs, io=io, known=known),
            "ina3221x": lambda: Ina3221Iio(sysfs, io=io, known=known),
            "ina238": lambda: Ina238(sysfs, io=io, known=known),
            "rapl": lambda: Rapl(sysfs, io=io, clock=clock),
            "thermal": lambda: ThermalReader(sysfs, io=io),
            "hwmon-temp": lambda: HwmonTemp(sysfs, io=io),
            "pi-throttled": lambda: PiThrottled(sysfs, firmware, io=io),
            "rpi_volt": lambda: PiVolt(sysfs, io=io),
            OVER_CURRENT: lambda: OverCurrent(sysfs, io=io),
            "fan": lambda: FanReader(sysfs, io=io),
            "cpufreq": lambda: CpuFreq(sysfs, io=io),
            "devfreq": lambda: DevFreq(sysfs, io=io),
            "gpu": lambda: GpuReader(sysfs, io=io),
            "thermal_throttle": lambda: ThermalThrottle(sysfs, io=io),
            "cpu-load": lambda: CpuLoad(proc, io=io, clock=clock),
            "memory": lambda: MemoryReader(proc, io=io),
        }
        if firmware is not None:
            makers["pi-pmic"] = lambda: PiPmicReader(firmware, known=known)
        else:
            self.skipped.append(Skipped("pi-pmic", f"no {self.roots.dev}/vcio"))
        return makers

    def _raw(self) -> Iterator[BaseReader]:
        """Yield the chips that no kernel driver owns."""
        for chip in self.wanted.chips:
            place = f"{chip.bus}-{chip.address:04x}"
            name = f"ina3221-i2c {place}"
            if (self.roots.sysfs / "bus" / "i2c" / "devices" / place / "driver").exists():
                self.skipped.append(Skipped(name, "a kernel driver owns it"))
                continue
            try:
                opened = self._do(name, partial(self.bus, self.roots.dev / f"i2c-{chip.bus}"))
            except OSError as error:
                why = (
                    f"the bus cannot be opened: {error}; it takes the module i2c-dev and group i2c"
                )
                self.skipped.append(Skipped(name, why))
                continue
            if opened is not None:
                rails = chip.shunt_ohms, chip.labels, self.roots.sysfs
                yield Ina3221I2c(opened, chip.bus, chip.address, *rails, known=self.wanted.known)

    def _others(self) -> Iterator[BaseReader]:
        """Yield readers of other packages; one that raises anything is left out alone."""
        for name, load in self.wanted.others.items():
            try:
                reader = self._do(name, partial(self._other, load))
            except Exception as error:
                reason = f"its package does not work: {type(error).__name__}: {error}"
                self.skipped.append(Skipped(name, reason))
                continue
            if reader is not None:
                yield reader

    def _other(self, load: Callable[[], MakeReader]) -> BaseReader:
        reader = cast(object, load()(self.roots))
        if not isinstance(reader, BaseReader):
            raise TypeError(f"{type(reader).__name__} is no BaseReader")
        return reader


def find_firmware(dev: Path) -> Firmware | None:
    """Return the firmware's mailbox, or a simulated board's folder in its place."""
    device = dev / "vcio"
    if device.is_dir():
        return FirmwareFiles(device)
    return Mailbox(device) if device.exists() else None


def _powers(reader: BaseReader) -> list[str]:
    """Return the rails of which a read gives the power, or will at the next read."""
    powers = [i for i, channel in enumerate(reader.channels) if channel.kind == "power_w"]
    if powers:
        reader.read()
    return [reader.channels[i].name for i in powers if reader.errors[i] in (None, PENDING)]
