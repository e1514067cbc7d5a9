"""Temperatures with their trip points, what slows a board for its heat, and fans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from edge_rt.board.readers.base import COOL, Kind, Skipped, unique
from edge_rt.board.readers.clocks import (
    TEMP_HIGH_MC,
    TEMP_LOW_MC,
    GaugeFile,
    GaugeReader,
    temperature,
)
from edge_rt.board.readers.sysfs import (
    FILE_IO,
    FileIo,
    first_integer,
    first_line,
    hwmon_devices,
    numbered,
)
from edge_rt.core.reports.finding import Finding, note

_PWM_TOP = 255
_RPM_HIGH = 100_000
_THROTTLES = Path("thermal_throttle", "package_throttle_count")
DRIVERS = frozenset(("coretemp", "k10temp", "zenpower", "amdgpu"))


class FanReader(GaugeReader):
    """`rpm` and the drive as a `fraction`, of every hwmon device that has a fan.

    Jetsons part the two over devices (`pwmfan`, `pwm_tach`) and name the speed `rpm` on some.
    """

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        found: list[tuple[str, Path]] = []
        for folder in numbered(sysfs / "class" / "hwmon", "hwmon*"):
            found += _files(folder)
        speeds = [pair for pair in found if not pair[1].name.startswith("pwm")]
        drives = [pair for pair in found if pair[1].name.startswith("pwm")]
        gauges = _gauges(speeds, "rpm", 1.0, _RPM_HIGH)
        gauges += _gauges(drives, "fraction", 1.0 / _PWM_TOP, _PWM_TOP)
        reason = f"no fan*_input, rpm or pwm* among the hwmon devices below {sysfs}"
        super().__init__("fan", gauges, 1.0, io, reason)


def _files(folder: Path) -> list[tuple[str, Path]]:
    name = first_line(folder / "name") or folder.name
    speeds = numbered(folder, "fan*_input") or numbered(folder, "rpm")
    files = speeds + numbered(folder, "pwm[0-9]")
    return [(first_line(_beside(path, "label")) or name, path) for path in files]


def _gauges(pairs: list[tuple[str, Path]], kind: Kind, scale: float, high: int) -> list[GaugeFile]:
    names = unique(name for name, _ in pairs)
    return [GaugeFile(n, kind, p, scale, 0, high) for n, (_, p) in zip(names, pairs, strict=True)]


# What the kernel registers for a thermal zone (cpu_thermal) is not read here: the zone is.


class HwmonTemp(GaugeReader):
    """Every temperature of the drivers in DRIVERS, named "driver label".

    `limits_c` has, by channel, the limit at which the processor slows itself down, where
    `temp*_crit` tells it: Intel's TjMax, AMD's hardware thermal control. `temp*_max` is another
    thing: a fixed 70 °C in k10temp, in coretemp the temperature for the fastest fans.
    """

    def __init__(
        self,
        sysfs: Path,
        io: FileIo = FILE_IO,
        drivers: frozenset[str] = DRIVERS,
    ) -> None:
        found = [
            (first_line(_beside(path, "label")) or path.name.removesuffix("_input"), driver, path)
            for driver, folder in hwmon_devices(sysfs, drivers)
            for path in numbered(folder, "temp*_input")
        ]
        names = unique(f"{driver} {label}" for label, driver, _ in found)
        gauges = [temperature(name, row[-1]) for name, row in zip(names, found, strict=True)]
        crits = [first_integer(_beside(path, "crit")) for *_, path in found]
        limits = zip(names, crits, strict=True)
        self.limits_c = {name: crit * 1e-3 for name, crit in limits if crit is not None}
        reason = f"no {' or '.join(sorted(drivers))} among the hwmon devices below {sysfs}"
        super().__init__("hwmon-temp", gauges, 0.5, io, reason)


def _beside(path: Path, kind: str) -> Path:
    """Return the file beside a `temp1_input` or `pwm1`, such as `temp1_crit`."""
    return path.with_name(f"{path.name.removesuffix('_input')}_{kind}")


class ThermalThrottle(GaugeReader):
    """A `count` for each package since boot, one CPU standing for its siblings."""

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        base = sysfs / "devices" / "system" / "cpu"
        found: dict[str, GaugeFile] = {}
        for cpu in numbered(base, "cpu[0-9]*"):
            package = first_integer(cpu / "topology" / "physical_package_id") or 0
            name, file = f"package-{package} throttled", cpu / _THROTTLES
            if file.exists():
                found.setdefault(name, GaugeFile(name, "count", file, 1.0))
        gauges = list(found.values())
        reason = f"no thermal_throttle below {base}/cpu*"
        super().__init__("thermal_throttle", gauges, 1.0, io, reason)

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield how often each package was throttled since boot."""
        if self.raised:
            told = ", ".join(f"{name} {count:g} times" for name, count in self.raised.items())
            yield note("throttling", f"the board slowed down for heat since boot ({told})", COOL)


@dataclass(frozen=True)
class TripPoint:
    """Where the kernel does something: `kind` is active, passive, hot or critical."""

    kind: str
    temp_c: float


@dataclass(frozen=True)
class ThermalZone:
    """One thermal zone; its name is the kernel's type, such as "cpu-thermal"."""

    name: str
    folder: Path
    trips: tuple[TripPoint, ...]


class ThermalReader(GaugeReader):
    """`temp_c` of every zone, and how far each cooling device is on as a `fraction`.

    Zones of parts that are switched off give EAGAIN or vanish: such a channel fails and comes
    back. `zones` are those that the reader found when it was made.
    """

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        base = sysfs / "class" / "thermal"
        self.zones = _zones(base)
        cooling, skipped = _cooling(base)
        if not self.zones:
            skipped.append(Skipped("thermal", f"no thermal zone below {base}"))
        gauges = [temperature(z.name, z.folder / "temp") for z in self.zones]
        super().__init__("thermal", gauges + cooling, 0.5, io, skipped=skipped)

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield the cooling devices of Jetsons that stand for throttling, where they are on."""
        if on := [name for name in self.raised if "throttle" in name]:
            what = f"the board slows down for heat right now ({', '.join(on)})"
            yield note("throttling", what, COOL)


def _zones(base: Path) -> tuple[ThermalZone, ...]:
    folders = numbered(base, "thermal_zone*")
    names = unique(first_line(f / "type") or f.name for f in folders)
    return tuple(ThermalZone(n, f, _trips(f)) for n, f in zip(names, folders, strict=True))


def _trips(folder: Path) -> tuple[TripPoint, ...]:
    trips: list[TripPoint] = []
    for path in numbered(folder, "trip_point_*_temp"):
        stem = path.name.removesuffix("_temp")
        temp, kind = first_integer(path), first_line(folder / f"{stem}_type")
        if kind is not None and temp is not None and TEMP_LOW_MC < temp < TEMP_HIGH_MC:
            trips.append(TripPoint(kind, temp * 1e-3))
    return tuple(trips)


def _cooling(base: Path) -> tuple[list[GaugeFile], list[Skipped]]:
    """Return the cooling devices, a channel for each, and those that tell no strongest step."""
    folders = numbered(base, "cooling_device*")
    names = unique(first_line(f / "type") or f.name for f in folders)
    gauges, skipped = list[GaugeFile](), list[Skipped]()
    for name, folder in zip(names, folders, strict=True):
        top = first_integer(folder / "max_state")
        if top is not None and top > 0:
            gauges.append(GaugeFile(name, "fraction", folder / "cur_state", 1.0 / top, 0, top))
        else:
            skipped.append(Skipped(name, f"{folder}: max_state is not readable or 0"))
    return gauges, skipped
