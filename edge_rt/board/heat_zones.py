"""The temperatures that are the chip's, and where each of them makes the board slow down."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from edge_rt.board.readers.base import BaseReader
from edge_rt.board.readers.heat import HwmonTemp, ThermalReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.core.reports.board import HeatState

Sort = Literal["chip", "unknown", "foreign"]

# Names are matched in lower case; a digit or any other sign that is no letter ends a word.
_FOREIGN = {
    "a regulator's": r"pmic|bmic|vrm?|vreg|regulator|pm[a-z]{0,2}(?=\d)|axp(?=\d)",
    "a radio's": r"iwlwifi|wifi|wlan|wwan|modem|wcn(?=\d)|ath(?=\d)|mt(?=7[69])|rtw(?=\d)|pa",
    "a network card's": r"ethernet|eth|enp|sfp|mlx(?=\d)|r(?=81\d\d)",
    "a disk's": r"nvme|ssd|hdd|sata|ahci|drivetemp|emmc|mmc|ufs",
    "a battery's or charger's": r"battery|bat|charger|chg|bms|smb(?=\d)|usbc?|ucsi",
    "the memory's": r"mem|tmem|dimm|spd(?=\d)|jc(?=\d)",
    "the board's or case's": (
        r"tboard|board|skin|tskn|ambient|tamb|quiet|case|conn|display|lcd|xo|sen(?=\d)"
    ),
    "the chipset's": r"pch",
    "no sensor's": r"int(?=3400)|fan|est|virtual",  # computed, or a constant of the firmware
}
_CHIP = (
    r"cpu|gpu",  # anywhere: MCPU-therm, mtktscpu, gpuss0
    r"soc|socd|ddr|ve|cv|tj|tdiode|ao|aux|pll|pllx|pkg|package|center|cluster|apc|aoss|tsens",
    r"[a-z]*core|coretemp|k(?=10temp)|zenpower|tctl|tdie|tccd|edge|junction|npu|vpu|apu",
    r"b(?=0d4)",  # Intel's own name for its processor among the ACPI participants
)
_WORD = r"(?<![a-z])(?:%s)(?![a-z])"
_FOREIGN_WORDS = tuple((whose, re.compile(_WORD % word)) for whose, word in _FOREIGN.items())
_CHIP_WORDS = (re.compile(_CHIP[0]), *(re.compile(_WORD % word) for word in _CHIP[1:]))
_FIRMWARE = "acpitz"  # what it measures is up to the maker of the computer
ASSUMED_TRIP_C = 90.0  # where nothing tells a trip point: boards state 80 to 99 °C
AMD_C = 95.0  # maximum operating temperature (TjMax) that AMD states for most desktop Ryzen
_BRAKES = ("passive", "hot")  # kinds of trip points at which the kernel slows the board down
_LIMITS_C = (50.0, 150.0)  # a trip point outside is a placeholder or one for users to set
_NOTICES = "x86_pkg_temp"  # its trip points wake programs, and slow nothing down
_CARD = "amdgpu"  # a graphics card's limit holds for no other zone
_ZEN = ("k10temp T", "zenpower T")  # Tctl, Tdie, Tccd1
_OTHERS = "there are zones of the chip"
_FAR_K = 30.0  # hotter than every other zone of the chip
_PLACEHOLDERS_C = frozenset((100.0, 125.0, 127.0, 128.0, 150.0))  # where there is no sensor


class Judged(NamedTuple):
    """What a zone's name says; `whose` names the part that a foreign zone measures."""

    sort: Sort
    whose: str = ""


def judge(name: str, listed: bool = False) -> Judged:
    """Judge whether a temperature is the chip's.

    A name that says nothing counts as the chip's where the board's profile lists it.
    """
    text = name.lower()
    for whose, pattern in _FOREIGN_WORDS:
        if pattern.search(text):
            return Judged("foreign", whose)
    named = any(pattern.search(text) for pattern in _CHIP_WORDS)
    listed = listed and not text.startswith(_FIRMWARE)
    return Judged("chip" if named or listed else "unknown")


@dataclass(frozen=True)
class HeatZone:
    """One temperature.

    `chip` tells whether the zone's name is one of the chip's. `apart` is the reason for which the
    zone never counts; empty: it counts, or may stand in where no zone of the chip is read. `own_c`
    is the trip point that the zone itself publishes.
    """

    place: int  # among the sampler's channels
    name: str
    chip: bool
    apart: str
    own_c: float | None


class HeatZones:
    """Every temperature of every reader, and which of them count.

    The chip's temperatures count, from any reader, but for one whose only value so far is a round
    figure which stands for no reading, 30 K above all others. Zones whose names tell
    nothing, such as a PC's acpitz, count only while no temperature of the chip has been read.
    Those of other parts (a radio, a disk, a regulator, the case) never count.

    A zone without a trip point has the lowest that others publish, else the profile's, else the
    limit that AMD states for its processors.
    """

    def __init__(
        self,
        sampler: BoardSampler,
        listed: Mapping[str, bool] | None = None,
        profile_c: float | None = None,
    ) -> None:
        """Find the zones.

        `listed` are the profile's, and whether it ignores them; `profile_c` is its trip point.
        """
        self.zones = tuple(_zones(sampler, listed or {}))
        self._sampler, self._profile_c = sampler, profile_c
        self._chip = [zone for zone in self.zones if zone.chip and not zone.apart]
        self._now_c: dict[int, float | None] = {}  # the chip's zones, by their numbers
        self._only_c: dict[int, float | None] = {}  # that each ever had; None: it has changed
        self._unset: dict[int, str] = {}  # why a zone's value stands for none; replaced whole
        self._parts = dict(_parts(sampler, self._chip))
        readings = sampler.readings()
        self._take_in([(n, readings[z.place].last) for n, z in enumerate(self._chip)])
        sampler.subscribe(self._take)

    @property
    def counting(self) -> list[HeatZone]:
        """The zones that count now, whether they can be read or not."""
        if not self._only_c:
            return [zone for zone in self.zones if not zone.apart and not zone.chip] or self._chip
        unset = self._unset
        return [zone for number, zone in enumerate(self._chip) if number not in unset]

    @property
    def apart(self) -> dict[str, str]:
        """The zones that do not count now, by name, and why not."""
        counting = self.counting
        said = {self._chip[number].name: why for number, why in self._unset.items()}
        rest = [zone for zone in self.zones if zone not in counting]
        other = _OTHERS if self._only_c else "it was never read"
        return {zone.name: said.get(zone.name) or zone.apart or other for zone in rest}

    def now(self) -> list[HeatState]:
        """Return the zones that count and can be read."""
        readings, zones = self._sampler.readings(), self.counting
        rows = [(zone.name, readings[zone.place].value, c) for zone, c in self._trips(zones)]
        return [HeatState(name, temp_c, c) for name, temp_c, c in rows if temp_c is not None]

    def lowest_trip_c(self) -> float | None:
        """Return the lowest trip point of all zones that count, whether they can be read or not."""
        return min((c for _, c in self._trips(self.counting) if c is not None), default=None)

    def _trips(self, zones: Collection[HeatZone]) -> Iterator[tuple[HeatZone, float | None]]:
        lent = (z.own_c for z in zones if z.own_c is not None and not z.name.startswith(_CARD))
        told_c = min(lent, default=self._profile_c)
        for zone in zones:
            else_c = AMD_C if told_c is None and zone.name.startswith(_ZEN) else told_c
            yield zone, else_c if zone.own_c is None else zone.own_c

    def _take(self, time_s: float, reader: BaseReader, values: Sequence[float | None]) -> None:
        """Take the values of one read; called in the reading thread."""
        parts = self._parts.get(id(reader))
        if parts:
            self._take_in([(number, values[index]) for number, index in parts])

    def _take_in(self, zones: Iterable[tuple[int, float | None]]) -> None:
        for zone, value in zones:
            self._now_c[zone] = value
            if value is not None:
                self._only_c[zone] = value if self._only_c.get(zone, value) == value else None
        told = "it says {:g} °C and nothing else yet, 30 K above all others"
        kept = [(n, c) for n, c in self._only_c.items() if c in _PLACEHOLDERS_C]
        self._unset = {n: told.format(c) for n, c in kept if self._far(n, c)}

    def _far(self, zone: int, value: float) -> bool:
        others = [c for other, c in self._now_c.items() if other != zone and c is not None]
        return bool(others) and value - max(others) >= _FAR_K


def hottest(zones: Iterable[HeatState]) -> HeatState | None:
    """Return the zone with the highest temperature."""
    return max(zones, key=lambda zone: zone.temp_c, default=None)


def nearest(zones: Iterable[HeatState]) -> HeatState | None:
    """Return the zone that is nearest to its own trip point, as a share of it.

    None where none has one.
    """
    return max(
        (zone for zone in zones if zone.trip_c),
        key=lambda zone: zone.temp_c / (zone.trip_c or 1.0),
        default=None,
    )


def _zones(sampler: BoardSampler, listed: Mapping[str, bool]) -> Iterator[HeatZone]:
    own = dict(_own(sampler.readers))
    channels = sampler.channels
    names = {channel.name for channel in channels}
    for place, channel in enumerate(channels):
        if channel.kind == "temp_c":
            name = channel.name
            sort, whose = judge(name, name in listed)
            apart = f"it is {whose}" if sort == "foreign" else ""
            if listed.get(name):
                apart = "the profile leaves it out"
            elif "Tctl" in name and name.replace("Tctl", "Tdie") in names:
                apart = "Tdie is the same without an offset for fans"
            yield HeatZone(place, name, sort == "chip", apart, own.get(name))


def _own(readers: Iterable[BaseReader]) -> Iterator[tuple[str, float]]:
    """Yield the trip points that zones publish, by the zone's name."""
    least_c, most_c = _LIMITS_C
    for reader in readers:
        found: list[tuple[str, float]] = []
        if isinstance(reader, HwmonTemp):
            found += reader.limits_c.items()
        elif isinstance(reader, ThermalReader):
            zones = (zone for zone in reader.zones if not zone.name.startswith(_NOTICES))
            found += [(z.name, t.temp_c) for z in zones for t in z.trips if t.kind in _BRAKES]
        # The lowest of a zone comes last, and so counts.
        real = [(temp_c, name) for name, temp_c in found if least_c <= temp_c <= most_c]
        yield from ((name, temp_c) for temp_c, name in sorted(real, reverse=True))


def _parts(
    sampler: BoardSampler, zones: Sequence[HeatZone]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each reader's id, its zones of the chip: number of the zone and index of its value."""
    numbers = {zone.place: number for number, zone in enumerate(zones)}
    first = 0
    for reader in sampler.readers:
        size = len(reader.channels)
        found = [(numbers[first + i], i) for i in range(size) if first + i in numbers]
        first += size
        yield id(reader), found
