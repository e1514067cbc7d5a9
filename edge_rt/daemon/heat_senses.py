"""What the governor has to know of the board's heat beside its temperature."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.config.board import Board
from edge_rt.daemon.board_report import Felt
from edge_rt.sensors.base import Kind
from edge_rt.sensors.thermal import Thermal, Zone

_BRAKES = ("passive", "hot")  # kinds of trip points at which the kernel slows the board down


def trip_c(felt: Felt) -> float | None:
    """The lowest temperature at which the board begins to slow down; None where nobody knows.

    The kernel's trip points go before the profile's.
    """
    board = felt.chosen.board
    found = [
        trip.temp_c
        for zone in _zones(felt, board)
        for trip in zone.trips
        if trip.kind in _BRAKES and trip.temp_c > 0.0  # 0: for users to set
    ]
    trips = None if board is None else board.thermal.trips
    told_c = (trips.throttle_c or trips.hot_c) if trips else None
    return min(found, default=told_c)


def fan_drive(felt: Felt) -> float | None:
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


def _zones(felt: Felt, board: Board | None) -> Iterator[Zone]:
    """Those that the profile names, if it names any: others may be of the skin or a radio."""
    known = {} if board is None else board.thermal.zones
    for reader in felt.sampler.readers:
        if isinstance(reader, Thermal):
            for zone in reader.zones:
                row = known.get(zone.name)
                if not known or (row is not None and not row.ignored):
                    yield zone
