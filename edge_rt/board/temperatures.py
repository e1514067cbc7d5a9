"""What the governor has to know of the board's heat."""

from __future__ import annotations

from typing import NamedTuple

from edge_rt.board.readers.base import Kind
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.board.zones.heat_zones import hottest, nearest


class Temperatures(NamedTuple):
    """Temperatures of the hottest zone and of the one nearest to its trip point, and that point.

    None: not known.
    """

    hottest_c: float | None = None
    nearest_c: float | None = None
    trip_c: float | None = None


def temperatures(felt: BoardSnapshot | None) -> Temperatures:
    """The board's temperatures now; if none can be read, only the lowest trip point."""
    if felt is None:
        return Temperatures()
    zones = felt.heat.now()
    hot, near = hottest(zones), nearest(zones)
    if hot is None:
        return Temperatures(trip_c=felt.heat.lowest_trip_c())
    if near is None:
        return Temperatures(hot.temp_c)
    return Temperatures(hot.temp_c, near.temp_c, near.trip_c)


def fan_drive(felt: BoardSnapshot) -> float | None:
    """How hard the fan is driven, 0 to 1; 0 where it stands still all the same."""
    found: dict[Kind, list[float]] = {"fraction": [], "rpm": []}
    for reader in felt.sampler.readers:
        for channel in reader.channels if reader.name == "fan" else ():
            reading = felt.sampler.reading(channel.name, channel.kind)
            if reading is not None and reading.value is not None:
                found[channel.kind].append(reading.value)
    drives, speeds = found["fraction"], found["rpm"]
    if not drives:
        return None
    return 0.0 if speeds and not any(speeds) else max(drives)
