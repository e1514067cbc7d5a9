"""Power chips of which a board's profile tells the place on an I2C bus."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_rt.board.readers.sysfs import numbered


class PlacedRail(Protocol):
    """What a profile tells of a rail; None where it is not known."""

    @property
    def chip(self) -> str | None: ...
    @property
    def i2c_bus(self) -> int | None: ...
    @property
    def i2c_node(self) -> str | None: ...
    @property
    def i2c_address(self) -> int | None: ...
    @property
    def channel(self) -> int | None: ...
    @property
    def shunt_ohm(self) -> float | None: ...


@dataclass(frozen=True)
class RawChip:
    """An INA3221 that no driver may own; `labels` and `shunt_ohms` are by channel 1, 2, 3."""

    bus: int
    address: int
    labels: Mapping[int, str]
    shunt_ohms: Mapping[int, float]


def place_of(rail: PlacedRail, sysfs: Path) -> tuple[int, int] | None:
    """Bus and address of the rail's chip, where both are known."""
    return _place(rail, _buses(sysfs))


def raw_chips(rails: Mapping[str, PlacedRail], sysfs: Path) -> tuple[RawChip, ...]:
    """The INA3221 whose place is known, from rails by label."""
    places: dict[tuple[int, int], dict[str, PlacedRail]] = {}
    buses = _buses(sysfs)
    for label, rail in rails.items():
        place = _place(rail, buses)
        if rail.chip == "ina3221" and place is not None and rail.channel is not None:
            places.setdefault(place, {})[label] = rail
    return tuple(_chip(*place, placed) for place, placed in places.items())


def _place(rail: PlacedRail, buses: Mapping[str, int]) -> tuple[int, int] | None:
    """The number in a profile is that of one kernel: it counts only where no bus tells its node."""
    told = bool(buses) and rail.i2c_node is not None
    bus = buses.get(rail.i2c_node or "") if told else rail.i2c_bus
    return None if bus is None or rail.i2c_address is None else (bus, rail.i2c_address)


def _buses(sysfs: Path) -> dict[str, int]:
    """Numbers of the I2C buses by their nodes in the device tree, such as "i2c@c250000"."""
    adapters = numbered(sysfs / "bus" / "i2c" / "devices", "i2c-[0-9]*")
    return {
        Path(os.path.realpath(adapter / "of_node")).name: int(adapter.name.removeprefix("i2c-"))
        for adapter in adapters
        if (adapter / "of_node").exists()
    }


def _chip(bus: int, address: int, rails: Mapping[str, PlacedRail]) -> RawChip:
    labels = {r.channel: label for label, r in rails.items() if r.channel is not None}
    ohms = {r.channel: r.shunt_ohm for r in rails.values() if r.channel and r.shunt_ohm}
    return RawChip(bus, address, labels, ohms)
