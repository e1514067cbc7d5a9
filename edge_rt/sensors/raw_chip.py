"""Power chips of which a board's profile tells the place on an I2C bus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class PlacedRail(Protocol):
    """What a profile tells of a rail; None where it is not known."""

    @property
    def chip(self) -> str | None: ...
    @property
    def i2c_bus(self) -> int | None: ...
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


def place_of(rail: PlacedRail) -> tuple[int, int] | None:
    """Bus and address of the rail's chip, where both are known."""
    if rail.i2c_bus is None or rail.i2c_address is None:
        return None
    return rail.i2c_bus, rail.i2c_address


def raw_chips(rails: Mapping[str, PlacedRail]) -> tuple[RawChip, ...]:
    """The INA3221 whose place is known, from rails by label."""
    places: dict[tuple[int, int], dict[str, PlacedRail]] = {}
    for label, rail in rails.items():
        place = place_of(rail)
        if rail.chip == "ina3221" and place is not None and rail.channel is not None:
            places.setdefault(place, {})[label] = rail
    return tuple(_chip(*place, placed) for place, placed in places.items())


def _chip(bus: int, address: int, rails: Mapping[str, PlacedRail]) -> RawChip:
    labels = {r.channel: label for label, r in rails.items() if r.channel is not None}
    ohms = {r.channel: r.shunt_ohm for r in rails.values() if r.channel and r.shunt_ohm}
    return RawChip(bus, address, labels, ohms)
