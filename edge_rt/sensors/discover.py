"""Finds what this board can be read with, and tells what it looked for in vain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_rt.sensors.base import PENDING, Reader, Skipped
from edge_rt.sensors.cpu_load import CpuLoad, Pid
from edge_rt.sensors.cpufreq import CpuFreq
from edge_rt.sensors.devfreq import DevFreq
from edge_rt.sensors.fan import Fan
from edge_rt.sensors.hwmon_temp import HwmonTemp
from edge_rt.sensors.ina238 import Ina238
from edge_rt.sensors.ina3221_hwmon import Ina3221Hwmon
from edge_rt.sensors.ina3221_i2c import Ina3221I2c, WordBus, open_bus
from edge_rt.sensors.ina3221_iio import Ina3221Iio
from edge_rt.sensors.jtop import Jtop, JtopClient
from edge_rt.sensors.memory import Memory
from edge_rt.sensors.modelled import Coefficients, ModelledPower
from edge_rt.sensors.pi_pmic import PiPmic
from edge_rt.sensors.pi_throttled import PiThrottled
from edge_rt.sensors.pi_volt import PiVolt
from edge_rt.sensors.pressure import Pressure
from edge_rt.sensors.rapl import Rapl
from edge_rt.sensors.raw_chip import RawChip
from edge_rt.sensors.sysfs import FILE_IO, FileIo
from edge_rt.sensors.thermal import Thermal
from edge_rt.sensors.thermal_throttle import ThermalThrottle
from edge_rt.sensors.videocore import Firmware, FirmwareFiles, Mailbox, Vcgencmd


@dataclass(frozen=True)
class Roots:
    """Where the board's files begin; a simulated board has its own."""

    sysfs: Path = Path("/sys")
    proc: Path = Path("/proc")
    dev: Path = Path("/dev")


@dataclass(frozen=True)
class Wanted:
    """What the files alone do not tell.

    `jtop` and `model` are used only where no power can be read now; `processes` are those whose
    share of the CPU is told; `group` is whom advice on rights names.
    """

    processes: Mapping[str, Pid] = field(default_factory=dict[str, Pid])
    chips: tuple[RawChip, ...] = ()
    jtop: Callable[[], JtopClient] | None = None
    model: Coefficients | None = None
    group: str = "edge-rt"


@dataclass(frozen=True)
class Discovery:
    """Readers that have channels, and everything that was looked for and is not read."""

    readers: tuple[Reader, ...]
    skipped: tuple[Skipped, ...]


def discover(
    roots: Roots,
    wanted: Wanted | None = None,
    io: FileIo = FILE_IO,
    clock: Callable[[], float] = time.monotonic,
    bus: Callable[[Path], WordBus] = open_bus,
) -> Discovery:
    """Look for everything below `roots`. Never raises; `clock` is in seconds."""
    wanted = wanted or Wanted()
    firmware = find_firmware(roots.dev)
    tried: list[Reader] = [
        Ina3221Hwmon(roots.sysfs, io=io),
        Ina3221Iio(roots.sysfs, io=io),
        Ina238(roots.sysfs, io=io),
        Rapl(roots.sysfs, io=io, clock=clock, group=wanted.group),
        Thermal(roots.sysfs, io=io),
        HwmonTemp(roots.sysfs, io=io),
        PiThrottled(roots.sysfs, firmware, _pace_s(firmware, 0.5), io=io),
        PiVolt(roots.sysfs, io=io),
        Fan(roots.sysfs, io=io),
        CpuFreq(roots.sysfs, io=io),
        DevFreq(roots.sysfs, io=io),
        ThermalThrottle(roots.sysfs, io=io),
        CpuLoad(roots.proc, wanted.processes, io=io, clock=clock),
        Memory(roots.proc, io=io),
        Pressure(roots.proc, io=io, clock=clock),
    ]
    skipped: list[Skipped] = []
    if firmware is not None:
        tried.append(PiPmic(firmware, _pace_s(firmware, 0.25)))
    else:
        skipped.append(Skipped("pi-pmic", f"no {roots.dev}/vcio and no vcgencmd"))
    tried += _raw(roots, wanted.chips, bus, skipped)
    tried += _last_resorts(roots, wanted, tried, io, clock)
    skipped += [s for reader in tried for s in reader.skipped]
    return Discovery(_useful(tried), tuple(skipped))


def _useful(tried: list[Reader]) -> tuple[Reader, ...]:
    """Those that have channels; the others are closed, for nobody else will."""
    for reader in tried:
        if not reader.channels:
            reader.close()
    return tuple(reader for reader in tried if reader.channels)


def find_firmware(dev: Path) -> Firmware | None:
    """The firmware's mailbox, a simulated board's folder in its place, or vcgencmd."""
    device = dev / "vcio"
    if device.is_dir():
        return FirmwareFiles(device)
    if device.exists():
        return Mailbox(device)
    program = shutil.which("vcgencmd") if dev == Roots().dev else None
    return None if program is None else Vcgencmd(program)


def _pace_s(firmware: Firmware | None, period_s: float) -> float:
    """The period, at least a second where each question starts a process."""
    return max(1.0, period_s) if isinstance(firmware, Vcgencmd) else period_s


def _raw(
    roots: Roots,
    chips: tuple[RawChip, ...],
    bus: Callable[[Path], WordBus],
    skipped: list[Skipped],
) -> list[Reader]:
    readers: list[Reader] = []
    for chip in chips:
        place = f"{chip.bus}-{chip.address:04x}"
        if (roots.sysfs / "bus" / "i2c" / "devices" / place / "driver").exists():
            skipped.append(Skipped(f"ina3221-i2c {place}", "a kernel driver owns it"))
            continue
        try:
            opened = bus(roots.dev / f"i2c-{chip.bus}")
        except OSError as error:
            skipped.append(Skipped(f"ina3221-i2c {place}", f"the bus cannot be opened: {error}"))
            continue
        rails = chip.shunt_ohms, chip.labels
        readers.append(Ina3221I2c(opened, chip.bus, chip.address, *rails, roots.sysfs))
    return readers


def _last_resorts(
    roots: Roots,
    wanted: Wanted,
    tried: list[Reader],
    io: FileIo,
    clock: Callable[[], float],
) -> list[Reader]:
    """What is read only where no power can be read: jtop, then the model."""
    if _has_power(tried):
        return []
    readers: list[Reader] = [] if wanted.jtop is None else [Jtop(wanted.jtop)]
    if wanted.model is not None and not _has_power(readers):
        readers.append(ModelledPower(roots.sysfs, roots.proc, wanted.model, io=io, clock=clock))
    return readers


def _has_power(readers: list[Reader]) -> bool:
    return any(_gives_power(reader) for reader in readers)


def _gives_power(reader: Reader) -> bool:
    """Whether a read gives a power, or will give one at the next read."""
    powers = [i for i, c in enumerate(reader.channels) if c.kind == "power_w"]
    if powers:
        reader.read()
    return any(reader.errors[i] in (None, PENDING) for i in powers)
