"""Rails whose readings contradict each other or the board's profile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edge_rt.board.readers.bounds import Known
from edge_rt.board.readers.power.ina3221_hwmon import Ina3221Hwmon
from edge_rt.board.sampler import Sampler
from edge_rt.config.board import Board

# A part of a rail may read higher than the whole by this factor and these watts: rails are measured
# one after the other, each with its own error.
_NOISE, _NOISE_W = 1.25, 1.0
_MODE = re.compile(r"(\d+)W(?:_\w+)?")  # NVIDIA names a mode by about what it draws
_TOLERANCE = 0.05  # relative, of a shunt


def known_of(board: Board) -> Known:
    """What the profile states of rails, against which readings are checked."""
    shunts = {label: ohms for label, rail in board.rails.items() if (ohms := rail.shunt_ohm)}
    draw = board.draw
    stated = [figure.value for figure in (draw.range_max_w, draw.supply_w, draw.loaded_w) if figure]
    stated += [mode.drawn_w for mode in board.power_modes.values() if mode.drawn_w]
    stated += [float(found[1]) for name in board.power_modes if (found := _MODE.fullmatch(name))]
    return Known(shunts, max(stated, default=None))


def doubts(board: Board | None, sampler: Sampler) -> dict[str, str]:
    """Why the readings of a rail are not to be trusted, by its name."""
    if board is None:
        return {}
    return dict(_foreign_shunts(board, sampler)) | dict(_larger_parts(board, _powers(sampler)))


def shunts(sampler: Sampler) -> dict[str, float]:
    """The shunts in ohms that the kernel's driver assumes, by rail."""
    readers = [reader for reader in sampler.readers if isinstance(reader, Ina3221Hwmon)]
    return {rail: ohms for reader in readers for rail, ohms in reader.shunts.items()}


def agrees(ohms: float | None, stated: float) -> bool:
    """Whether the driver's shunt is the stated one; so it is where the driver tells none."""
    return ohms is None or abs(ohms / stated - 1.0) <= _TOLERANCE


def _powers(sampler: Sampler) -> dict[str, float]:
    found = [r for r in sampler.readings() if r.channel.kind == "power_w"]
    return {r.channel.name: r.value for r in reversed(found) if r.value is not None}


def _foreign_shunts(board: Board, sampler: Sampler) -> Iterator[tuple[str, str]]:
    for rail, ohms in shunts(sampler).items():
        stated = known_of(board).shunts.get(rail)
        if stated is not None and not agrees(ohms, stated):
            driver, profile = f"{ohms * 1e3:.4g} mΩ", f"{stated * 1e3:.4g} mΩ"
            told = f"its driver is set to a shunt of {driver}, the board's profile states {profile}"
            follows = f"if the profile is right, it draws {ohms / stated:.3g} times the power shown"
            remedy = f"correct the driver's shunt, or `rails.{rail}.shunt_ohm` in the profile"
            yield rail, f"{told}; {follows}: {remedy}"


def _larger_parts(board: Board, powers: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    for rail, watts in powers.items():
        known = board.rails.get(rail)
        whole = None if known is None or known.part_of is None else powers.get(known.part_of)
        if known is not None and whole is not None and watts > _NOISE * whole + _NOISE_W:
            told = f"it draws {watts:.2f} W, more than the {whole:.2f} W of {known.part_of}"
            yield rail, f"{told}, of which it is a part: one of the two reads wrong"
