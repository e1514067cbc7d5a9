"""Thermal zones with their trip points, and the state of cooling devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.base import Skipped, nothing, unique
from edge_rt.board.readers.gauges import (
    TEMP_HIGH_MC,
    TEMP_LOW_MC,
    Gauge,
    GaugeReader,
    gauge,
    temperature,
)
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_integer, first_line, numbered


@dataclass(frozen=True)
class TripPoint:
    """Where the kernel does something: `kind` is active, passive, hot or critical."""

    kind: str
    temp_c: float
    hysteresis_c: float | None = None


@dataclass(frozen=True)
class Zone:
    """One thermal zone; its name is the kernel's type, such as "cpu-thermal"."""

    name: str
    folder: Path
    trips: tuple[TripPoint, ...]


@dataclass(frozen=True)
class CoolingDevice:
    """Something that the kernel cools with; `max_state` is its strongest step."""

    name: str
    folder: Path
    max_state: int


class Thermal(GaugeReader):
    """`temp_c` of every zone, and how far each cooling device is on as a `fraction`.

    Zones of parts that are switched off give EAGAIN or vanish: such a channel fails and comes
    back. `zones` and `devices` tell what was found when the reader was made.
    """

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        base = sysfs / "class" / "thermal"
        self.zones = _zones(base)
        self.devices, skipped = _devices(base)
        skipped += nothing("thermal", f"no thermal zone below {base}", self.zones)
        gauges = [temperature(z.name, z.folder / "temp") for z in self.zones]
        super().__init__(
            "thermal", gauges + [_cooling(d) for d in self.devices], period_s, skipped, io
        )


def _zones(base: Path) -> tuple[Zone, ...]:
    folders = numbered(base, "thermal_zone*")
    names = unique(first_line(f / "type") or f.name for f in folders)
    return tuple(Zone(n, f, _trips(f)) for n, f in zip(names, folders, strict=True))


def _trips(folder: Path) -> tuple[TripPoint, ...]:
    trips: list[TripPoint] = []
    for path in numbered(folder, "trip_point_*_temp"):
        stem = path.name.removesuffix("_temp")
        temp, kind = first_integer(path), first_line(folder / f"{stem}_type")
        if kind is not None and temp is not None and TEMP_LOW_MC < temp < TEMP_HIGH_MC:
            slack = first_integer(folder / f"{stem}_hyst")
            trips.append(TripPoint(kind, temp * 1e-3, None if slack is None else slack * 1e-3))
    return tuple(trips)


def _devices(base: Path) -> tuple[tuple[CoolingDevice, ...], tuple[Skipped, ...]]:
    folders = numbered(base, "cooling_device*")
    names = unique(first_line(f / "type") or f.name for f in folders)
    rows = [(n, f, first_integer(f / "max_state")) for n, f in zip(names, folders, strict=True)]
    usable = tuple(CoolingDevice(n, f, top) for n, f, top in rows if top is not None and top > 0)
    reason = "max_state is not readable or 0"
    skipped = tuple(Skipped(n, f"{f}: {reason}") for n, f, top in rows if top is None or top <= 0)
    return usable, skipped


def _cooling(device: CoolingDevice) -> Gauge:
    path, top = device.folder / "cur_state", device.max_state
    return gauge(device.name, "fraction", path, 1.0 / top, 0, top)
