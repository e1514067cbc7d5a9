"""What was found on a board, and how it is told to clients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from edge_rt.board.heat_zones import HeatZones, hottest, nearest
from edge_rt.board.profile import UNKNOWN, BoardChoice
from edge_rt.board.readers.base import Skipped
from edge_rt.board.readers.sysfs import NOT_REGULAR
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.supply import SupplyRails, doubts
from edge_rt.board.track import UNREAD, ChannelReading
from edge_rt.config.board import Thermal
from edge_rt.config.schema import WallMeter
from edge_rt.core.reports.board import BoardReport, ChannelState, MeterFit, NotRead, RailEnergy
from edge_rt.core.reports.board import Supply as SupplyState

LOST_S = 3.0  # without a reading: no longer a fault that passes by itself

_MODELLED, _MEASURED = 1, 2
_BRAKES = ("throttle", "cpufreq", "devfreq", "processor", "gpu")  # in names of cooling devices


@dataclass(frozen=True)
class BoardSnapshot:
    """The outcome of one look at the board below `root`."""

    root: Path
    chosen: BoardChoice
    sampler: BoardSampler
    skipped: tuple[Skipped, ...]
    supply: SupplyRails | None

    @property
    def simulated(self) -> bool:
        """Whether the files are not those of this machine."""
        return self.root != Path("/")

    @cached_property
    def heat(self) -> HeatZones:
        """The temperatures that count."""
        thermal = Thermal() if self.chosen.board is None else self.chosen.board.thermal
        return HeatZones(self.sampler, thermal.ignored, thermal.slows_c)

    @property
    def hottest_c(self) -> float | None:
        """The temperature of the hottest zone that counts, None where none can be read."""
        zone = hottest(self.heat.now())
        return None if zone is None else zone.temp_c

    @property
    def quality(self) -> Literal["measured", "modelled"]:
        """The quality of the supply's figures."""
        modelled = self.supply is None or self.supply.quality == "modelled"
        return "modelled" if modelled or self.simulated else "measured"

    @property
    def answered(self) -> bool:
        """Whether everything that was looked for has answered."""
        return all(one.thread is None for one in self.skipped)

    @property
    def waiting(self) -> bool:
        """Whether something that was looked for or is read still does not answer."""
        hangs = any(one.waiting for one in (*self.skipped, *self.sampler.blocked))
        return hangs or self.sampler.late

    def complete(self, now_s: float) -> bool:
        """Return whether everything answers, power is measured and a temperature is read.

        `now_s` is the sampler's.
        """
        return bool(self.heat.counting) and self.answered and self._rank(now_s) == _MEASURED

    def worth(self, now_s: float) -> tuple[int, int]:
        """Return how good a look was: by its supply, then by how much can be read at all."""
        return self._rank(now_s), len(self.sampler.channels)

    def _rank(self, now_s: float) -> int:
        if self.supply is None or self.supply.silent_s(now_s) > LOST_S:
            return 0
        return _MEASURED if self.supply.quality == "measured" else _MODELLED

    def __str__(self) -> str:
        board = self.chosen.name
        name = "unknown board" if board is None else f"{board.name} ({board.by})"
        if self.supply is None:
            return f"{name}; nothing tells its power"
        rails = " + ".join(self.supply.rails)
        return f"{name}; power of {self.supply.covers}, {self.quality}: {rails}"


def board_key(snapshot: BoardSnapshot | None) -> str:
    """Return a name that tells boards apart, and a simulated one from a real one."""
    if snapshot is None:
        return UNKNOWN
    return snapshot.chosen.id + (" (simulated)" if snapshot.simulated else "")


def left_out(snapshot: BoardSnapshot) -> dict[str, str]:
    """Return the reason why each sensor that is left out is not read, by its name.

    "temperature" is among them where zones that count were found and none can be read.
    """
    silent = [
        one for one in (*snapshot.skipped, *snapshot.sampler.blocked) if one.thread is not None
    ]
    found = {_text(one.name): _text(one.reason) for one in silent}
    readings = snapshot.sampler.readings()
    for one in readings:
        if one.error is not None and one.error.endswith(f"({NOT_REGULAR})"):
            found[_text(one.channel.name)] = _text(f"{one.channel.source} is {NOT_REGULAR}")
    zones = [readings[zone.place] for zone in snapshot.heat.counting]
    if zones and not any(one.value is not None or one.error == UNREAD for one in zones):
        found["temperature"] = _text(f"no temperature can be read: {zones[0].error}")
    return found


def held_back(snapshot: BoardSnapshot) -> list[str] | None:
    """Return what slows the board down now; None where it does not tell."""
    told, active = False, list[str]()
    for reader, reading in snapshot.sampler.by_reader():
        channel = reading.channel
        flag = channel.kind == "flag" and not channel.name.endswith("_occurred")
        if flag or (reader == "thermal" and channel.kind == "fraction" and _brakes(channel.name)):
            told = told or reading.value is not None
            if reading.value:
                active.append(_text(channel.name))
    return active if told else None


def report(snapshot: BoardSnapshot, now_s: float, idle_w: float | None) -> BoardReport:
    """Return all of it as clients see it, at `now_s` on the sampler's clock."""
    zones = [replace(zone, name=_text(zone.name)) for zone in snapshot.heat.now()]
    return BoardReport(
        board=snapshot.chosen.name,
        root=_text(snapshot.root),
        simulated=snapshot.simulated,
        supply=_supply(snapshot, idle_w),
        temp_c=snapshot.hottest_c,
        throttled=held_back(snapshot),
        channels=[_channel(snapshot, name, r, now_s) for name, r in snapshot.sampler.by_reader()],
        energies=_energies(snapshot),
        not_read=[NotRead(_text(s.name), _text(s.reason)) for s in snapshot.skipped],
        left_out=left_out(snapshot),
        doubts={
            _text(rail): why
            for rail, why in doubts(snapshot.chosen.board, snapshot.sampler).items()
        },
        hottest=hottest(zones),
        nearest=nearest(zones),
        not_counted={_text(zone): _text(why) for zone, why in snapshot.heat.apart.items()},
    )


def nothing_yet(root: Path, left_out: dict[str, str] | None = None) -> BoardReport:
    """Return what is told before the first look at the board.

    `left_out` names what it waits for.
    """
    return BoardReport(
        board=None,
        root=_text(root),
        simulated=root != Path("/"),
        supply=None,
        temp_c=None,
        throttled=None,
        channels=[],
        energies=[],
        not_read=[],
        looking=True,
        left_out=left_out or {},
    )


def _supply(snapshot: BoardSnapshot, idle_w: float | None) -> SupplyState | None:
    supply = snapshot.supply
    if supply is None:
        return None
    energy, meter = supply.energy(), supply.meter
    return SupplyState(
        rails=[_text(rail) for rail in supply.rails],
        covers=supply.covers,
        quality=snapshot.quality,
        power_w=supply.power_w(),
        idle_w=idle_w,
        energy_j=energy.energy_j,
        covered_s=energy.covered_s,
        missing_s=energy.missing_s,
        meter=None if meter == WallMeter() else MeterFit(meter.scale, meter.offset_w),
    )


def _energies(snapshot: BoardSnapshot) -> list[RailEnergy]:
    modelled = {c.name for c in snapshot.sampler.channels if c.quality == "modelled"}
    return [
        RailEnergy(
            _text(name),
            "modelled" if snapshot.simulated or name in modelled else "measured",
            energy.energy_j,
            energy.covered_s,
            energy.missing_s,
        )
        for name, energy in snapshot.sampler.energies().items()
    ]


def _channel(
    snapshot: BoardSnapshot, reader: str, reading: ChannelReading, now_s: float
) -> ChannelState:
    channel = reading.channel
    return ChannelState(
        reader=reader,
        name=_text(channel.name),
        kind=channel.kind,
        value=reading.value,
        last=reading.last,
        age_s=None if reading.time_s is None else max(0.0, now_s - reading.time_s),
        error=None if reading.error is None else _text(reading.error),
        quality="modelled" if snapshot.simulated else channel.quality,
        source=_text(channel.source),
    )


def _brakes(device: str) -> bool:
    name = device.lower()
    return "fan" not in name and any(word in name for word in _BRAKES)


def _text(words: object) -> str:
    """Return what can be sent: names of files may hold bytes that are no text."""
    return str(words).encode("utf-8", "backslashreplace").decode()
