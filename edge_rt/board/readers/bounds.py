"""Bounds of readings, set by the measuring chip, its shunt and the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "power_w",
    "voltage_v",
    "current_a",
    "temp_c",
    "clock_hz",
    "energy_j",
    "flag",
    "fraction",
    "bytes",
    "rpm",
    "count",
]

IMPOSSIBLE = "which cannot be"  # in every reason for which a figure is refused
# Of any rail; an offset near zero, as Jetson Thor's -0.4 W, counts as nothing.
_LEAST_W, _MOST_W = -1.0, 2000.0
BOARD_W = 300.0  # above the draw of any board with one of these chips
TIMES = 3.0  # times a board's largest stated power is refused: peaks are lower
SMALL_W = 50.0  # is possible on any board: its profile may state its smaller modes alone

_UNITS: Mapping[Kind, str] = {
    "power_w": "W",
    "voltage_v": "V",
    "current_a": "A",
    "temp_c": "°C",
}
_IDLE_V, _FLOWING_A = 0.1, 0.1  # a rail that is off has no voltage, and no current beyond an offset
# Power and its factors are measured one after the other: watts, and times, that they may differ by.
_SLACK_W, _APART = 0.5, 4.0


@dataclass(frozen=True)
class ReadingBounds:
    """The least and the greatest value that a channel can have; `of` says what sets them."""

    low: float
    high: float
    of: str

    def refusal(self, kind: Kind, value: float) -> str | None:
        """Return why a value of that kind is refused; None: it can be."""
        if self.low <= value <= self.high:
            return None
        unit = f" {_UNITS[kind]}" if kind in _UNITS else ""
        told = f"{self.low:.4g} to {self.high:.4g}{unit} {self.of}"
        return f"{kind} is {value:.4g}{unit}, {IMPOSSIBLE}: {told}"


USUAL: Mapping[Kind, ReadingBounds] = {
    "temp_c": ReadingBounds(-40.0, 150.0, "is what a chip can have"),
    "power_w": ReadingBounds(_LEAST_W, _MOST_W, "is what a rail can carry: nothing feeds it back"),
}
"""The bounds of channels of which nothing more is known."""


@dataclass(frozen=True)
class RailFacts:
    """What a board's profile states: shunts in ohms by rail, and the board's largest power."""

    shunts: Mapping[str, float] = field(default_factory=dict[str, float])
    board_w: float | None = None

    @property
    def power(self) -> ReadingBounds:
        """The power of any of its rails."""
        if self.board_w is None:
            return ReadingBounds(_LEAST_W, BOARD_W, "is what a board of this kind can draw")
        stated = f"is what a board can draw that is stated to take {self.board_w:.4g} W"
        return ReadingBounds(_LEAST_W, max(SMALL_W, TIMES * self.board_w), stated)


def contradiction(watts: float, volts: float, amps: float) -> str | None:
    """Return why a rail cannot draw so much at that voltage and current; None: it can.

    The three are read one after the other, so they have to agree in their order of magnitude only.
    """
    if volts < _IDLE_V and abs(amps) > _FLOWING_A:
        return f"{amps:.2f} A flow at {volts:.2f} V, {IMPOSSIBLE}: the voltage is not measured"
    product = volts * amps
    low, high = sorted((product / _APART, product * _APART))
    if abs(watts - product) <= _SLACK_W or low <= watts <= high:
        return None
    told = f"{volts:.2f} V x {amps:.2f} A are {product:.2f} W"
    return f"power_w is {watts:.2f} W, {IMPOSSIBLE}: {told}"
