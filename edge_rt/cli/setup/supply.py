"""How many watts the supply of a board carries, and the power cap that follows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from edge_rt.cli.doctor.checks.kernel import power_mode, power_modes
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.text import significant

SHARE = 0.75
"""Of a supply's watts; the rest is for what no sensor of the board sees. An Orin NX that drew 29 W
took 37 W from its supply."""

_ROOM = 1.5  # times the idle power that a cap should at least be
_USB_V = 5.0
_MODE = re.compile(r"(?:MODE_)?(\d+)W(?:_\w+)?")  # NVIDIA names a mode by about what it draws


@dataclass(frozen=True)
class PowerCap:
    """Watts of a cap and the reason, or, with None, why there should be none."""

    power_w: float | None
    why: str


def power_cap(machine: ExaminedMachine) -> PowerCap:
    """Return the cap that the board's supply can carry."""
    found = _supply(machine)
    if found is None:
        return PowerCap(None, "nothing tells what the supply carries")
    watts, why = found
    draw = machine.board.draw if machine.board else None
    idle_w = draw.idle_w.value if draw and draw.idle_w else 0.0
    if machine.supply is None and not (draw and draw.idle_w and draw.loaded_w):
        return PowerCap(None, "the board's power is not known, so no cap could be kept")
    if watts < _ROOM * idle_w:
        least = f"the board draws {significant(idle_w)} W when idle"
        return PowerCap(None, f"{why}, which is too little: {least}")
    return PowerCap(math.floor(10 * watts) / 10, why)


def _supply(machine: ExaminedMachine) -> tuple[float, str] | None:
    """Watts that a cap may be, and where they come from."""
    known = [*_negotiated(machine), *_stated(machine)]
    return min(known) if known else _mode(machine) or _range(machine)


def _negotiated(machine: ExaminedMachine) -> list[tuple[float, str]]:
    """What a Raspberry Pi 5 has agreed upon with its supply, in mA at 5 V."""
    path = machine.file("proc/device-tree/chosen/power/max_current")
    try:
        milliamps = int.from_bytes(path.read_bytes()[:4], "big")
    except OSError:
        return []
    watts = _USB_V * milliamps / 1000
    told = f"{100 * SHARE:.0f} % of the {watts:g} W that the supply offers"
    return [(SHARE * watts, told)] if milliamps else []


def _stated(machine: ExaminedMachine) -> list[tuple[float, str]]:
    figure = machine.board.draw.supply_w if machine.board else None
    if figure is None:
        return []
    told = f"{100 * SHARE:.0f} % of the {figure.value:g} W of the board's own supply"
    return [(SHARE * figure.value, told)]


def _mode(machine: ExaminedMachine) -> tuple[float, str] | None:
    """The watts in the name of the NVIDIA power mode that is on."""
    number = power_mode(machine)
    name = None if number is None else power_modes(machine).get(number)
    watts = _MODE.fullmatch(name) if name else None
    return (float(watts[1]), f"as the power mode {name} says") if watts else None


def _range(machine: ExaminedMachine) -> tuple[float, str] | None:
    figure = machine.board.draw.range_max_w if machine.board else None
    return None if figure is None else (figure.value, "the most that the board's maker names")
