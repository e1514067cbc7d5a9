"""The rails whose sum is the board's power, and checks of their readings for contradictions."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from edge_rt.board.integral import Energy, RailSum
from edge_rt.board.readers.base import PENDING, BaseReader, Quality
from edge_rt.board.readers.bounds import RailFacts
from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.track import ChannelReading
from edge_rt.config.board import Board
from edge_rt.config.schema import WallMeter

# A part of a rail may read higher than the whole by this factor and these watts: rails are measured
# one after the other, each with its own error.
_NOISE, _NOISE_W = 1.25, 1.0
_MODE = re.compile(r"(\d+)W(?:_\w+)?")  # NVIDIA names a mode by about what it draws
_TOLERANCE = 0.05  # relative, of a shunt

# Rails that are totals on whatever board they are found, where no profile says anything.
_TOTALS: dict[str, Covered] = {
    "VDD_IN": "module",  # NVIDIA's names for what goes into a module
    "POM_5V_IN": "module",
    "VIN": "board",  # the INA238 at the input of a carrier board
    "PMIC": "regulators",  # the reader's own sum over a Raspberry Pi's power chip
    "package-0": "package",  # RAPL; its parts are inside it
}
_SOCKET = re.compile(r"^package-\d+")  # of a RAPL zone
# How often counters of energy move: RAPL's each millisecond, CPU time by ticks of the kernel.
_COUNTER_STEP_S = {"rapl": 0.001, "modelled": 0.01}
_STEPS = 20  # that a request must last for one step more or less to be 5 % at most


def known_of(board: Board) -> RailFacts:
    """Return what the profile states of rails, against which readings are checked."""
    shunts = {label: ohms for label, rail in board.rails.items() if (ohms := rail.shunt_ohm)}
    draw = board.draw
    stated = [figure.value for figure in (draw.range_max_w, draw.supply_w, draw.loaded_w) if figure]
    stated += [mode.drawn_w for mode in board.power_modes.values() if mode.drawn_w]
    stated += [float(found[1]) for name in board.power_modes if (found := _MODE.fullmatch(name))]
    return RailFacts(shunts, max(stated, default=None))


def doubts(board: Board | None, sampler: BoardSampler) -> dict[str, str]:
    """Return why the readings of a rail are not to be trusted, by its name."""
    if board is None:
        return {}
    return dict(_foreign_shunts(board, sampler)) | dict(_larger_parts(board, _powers(sampler)))


def shunts(sampler: BoardSampler) -> dict[str, float]:
    """Return the shunts in ohms that the kernel's driver assumes, by rail."""
    readers = [reader for reader in sampler.readers if isinstance(reader, Ina3221Hwmon)]
    return {rail: ohms for reader in readers for rail, ohms in reader.shunts.items()}


def agrees(ohms: float | None, stated: float) -> bool:
    """Return whether the driver's shunt is the stated one; so it is where the driver tells none."""
    return ohms is None or abs(ohms / stated - 1.0) <= _TOLERANCE


def _powers(sampler: BoardSampler) -> dict[str, float]:
    found = [r for r in sampler.readings() if r.channel.kind == "power_w"]
    return {r.channel.name: r.value for r in reversed(found) if r.value is not None}


def _foreign_shunts(board: Board, sampler: BoardSampler) -> Iterator[tuple[str, str]]:
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


Covered = Literal["board", "module", "package", "regulators"]


class SupplyRails:
    """Rails that do not overlap, taken together; the sampler reads them."""

    def __init__(self, sampler: BoardSampler, rails: Sequence[str], covers: Covered) -> None:
        """KeyError where the sampler has no power of one of the `rails`."""
        owners = {rail: sampler.owner(rail, "power_w") for rail in rails}
        self._sampler = sampler
        self.rails = tuple(rails)
        self.covers: Covered = covers
        self.meter = WallMeter()  # that corrects the sum
        self.readers: tuple[BaseReader, ...] = tuple(
            one for one in sampler.readers if any(one is own for own, _ in owners.values())
        )
        modelled = any(channel.quality == "modelled" for _, channel in owners.values())
        self.quality: Quality = "modelled" if modelled else "measured"
        # The slowest sets the pace: between two of its reads the others have been read as well.
        self._pace = max(reversed(self.readers), key=lambda reader: reader.period_s)
        self._metered = sorted(rails, key=lambda rail: owners[rail][0] is not self._pace)
        self._sum = RailSum(sampler.metered(self._metered))
        sampler.subscribe(self._add)

    @property
    def resolution_s(self) -> float:
        """The shortest time over which the joules mean something."""
        return max(_resolution_s(self._sampler, reader) for reader in self.readers)

    @property
    def period_s(self) -> float:
        """Seconds between two readings of the slowest of its sensors."""
        return self._pace.period_s

    def energy(self) -> Energy:
        """Return joules since the supply was found; missing is what any of the rails lacks."""
        total, meter = self._sum.total, self.meter
        energy_j = meter.scale * total.energy_j + meter.offset_w * total.covered_s
        return replace(total, energy_j=energy_j)

    def power_w(self) -> float | None:
        """Return watts now; None while one of the rails cannot be read."""
        total = 0.0
        for rail in self.rails:
            reading = self._sampler.reading(rail, "power_w")
            if reading is None or reading.value is None:
                return None
            total += reading.value
        return self.meter.scale * total + self.meter.offset_w

    def silent_s(self, now_s: float) -> float:
        """Return for how long the supply could not be read; infinite if it never could."""
        return max(_silent_s(self._sampler.reading(rail, "power_w"), now_s) for rail in self.rails)

    def _add(self, time_s: float, reader: BaseReader, values: Sequence[float | None]) -> None:
        if reader is self._pace:
            self._sum.add(self._sampler.metered(self._metered))


def find_supply(board: Board | None, sampler: BoardSampler) -> SupplyRails | None:
    """Return the best total that can be read; None in doubt, since rails may be parts of others.

    The sampler must have read everything once. The profile's totals come first; where none of
    them can be read the model, then a rail that is a total by its name. A lone rail with another
    name may be any part of the board. What holds for the first socket of a PC holds for all.
    """
    readable = _readable(sampler)
    total = None if board is None else board.total(readable)
    if total is not None:
        return SupplyRails(sampler, _all_sockets(total.rails, readable), total.covers)
    modelled = [r for r in readable if sampler.owner(r, "power_w")[0].name == "modelled"]
    if modelled:
        return SupplyRails(sampler, modelled[:1], "board")
    named = _named(readable)
    if len(named) != 1:
        return None
    return SupplyRails(sampler, _all_sockets(named, readable), _TOTALS[named[0]])


def measured(board: Board | None, readable: Collection[str]) -> bool:
    """Return whether the power of these rails tells that of the board; see `find_supply`."""
    return (board is not None and board.total(readable) is not None) or len(_named(readable)) == 1


def _all_sockets(rails: Sequence[str], readable: Sequence[str]) -> list[str]:
    """Return the rails with those of other sockets that are like the first one's."""
    others = [rail for rail in readable if _SOCKET.sub("package-0", rail) in rails]
    return list(dict.fromkeys([*rails, *others]))


def _named(readable: Collection[str]) -> list[str]:
    return [rail for rail in dict.fromkeys(readable) if rail in _TOTALS]


def _readable(sampler: BoardSampler) -> list[str]:
    """Channels of power that have a value now, or will have one at the next read."""
    powers = [r for r in sampler.readings() if r.channel.kind == "power_w"]
    names = [r.channel.name for r in powers if r.value is not None or r.error == PENDING]
    return list(dict.fromkeys(names))


def _silent_s(reading: ChannelReading | None, now_s: float) -> float:
    if reading is None:
        return math.inf
    if reading.value is not None or reading.error == PENDING:
        return 0.0
    return math.inf if reading.time_s is None else now_s - reading.time_s


def _resolution_s(sampler: BoardSampler, reader: BaseReader) -> float:
    # Without a counter, what begins and ends between two readings may leave no trace.
    pace_s, step_s = sampler.pace_s(reader), _COUNTER_STEP_S.get(reader.name)
    if step_s is None:
        return pace_s
    return max(_STEPS * step_s, pace_s if pace_s > reader.period_s else 0.0)
