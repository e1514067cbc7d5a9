"""Power chips that a profile places on an I2C bus."""

from __future__ import annotations

from edge_rt.config.board import Board, Rail
from edge_rt.sensors.discover import RawChip


def raw_chips(board: Board) -> tuple[RawChip, ...]:
    """The INA3221 of which the profile tells bus, address, channels and shunts."""
    chips: dict[tuple[int, int], RawChip] = {}
    for label, rail in board.rails.items():
        place = place_of(rail)
        if rail.chip != "ina3221" or place is None:
            continue
        if rail.channel is None or rail.shunt_ohm is None:
            continue
        chip = chips.get(place, RawChip(*place, {}, {}))
        labels = {**chip.labels, rail.channel: label}
        shunts = {**chip.shunt_ohms, rail.channel: rail.shunt_ohm}
        chips[place] = RawChip(*place, labels, shunts)
    return tuple(chips.values())


def place_of(rail: Rail) -> tuple[int, int] | None:
    """Bus and address of the rail's chip, where the profile tells them."""
    if rail.i2c_bus is None or rail.i2c_address is None:
        return None
    return rail.i2c_bus, rail.i2c_address
