"""What the governor reads of the board from look to look: power, CPU time, heat, clocks, sags."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge_rt.board.heat_zones import hottest, nearest
from edge_rt.board.monitor import Metered
from edge_rt.board.readers.clocks import CpuFreq, DevFreq
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.board.readers.over_current import OVER_CURRENT
from edge_rt.board.readers.raspberry_pi import ALARM
from edge_rt.board.snapshot import BoardSnapshot

UNDER_VOLTAGE = ("under_voltage", ALARM)  # flags of a Raspberry Pi
_SPARE = 0.1  # of a core, by which readings of those at work may be too low
_AT_WORK = 0.5  # load of a GPU, from which on its clock is that of work
HOLD_S = 3.0  # for which the last watts are taken to go on: no supply is read less often


@dataclass(frozen=True)
class _Sample:
    """Counters at one time, of the engine `pid`, this process and all."""

    pid: int
    time_s: float
    engine_s: float
    front_s: float
    board_s: float


class CpuWatch:
    """Core seconds from look to look: the engine's, and those of other programs."""

    def __init__(self, reader: CpuReader, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._reader, self._clock = reader, clock
        self._before: _Sample | None = None

    def look(self, engine: int | None) -> tuple[float, float] | None:
        """Core seconds of the process `engine`, and cores that others kept busy.

        None where they cannot be told, as at the first look at an engine.
        """
        before, now = self._before, self._sample(engine)
        self._before = now
        if before is None or now is None or before.pid != now.pid:
            return None
        seconds = now.time_s - before.time_s
        engine_s, front_s = now.engine_s - before.engine_s, now.front_s - before.front_s
        board_s = now.board_s - before.board_s
        if seconds <= 0.0 or min(engine_s, front_s, board_s) < 0.0:  # a counter began anew
            return None
        # The three are read one after the other, and by ticks: a little less than nothing is none.
        return engine_s, max(0.0, board_s - engine_s - front_s) / seconds

    def _sample(self, engine: int | None) -> _Sample | None:
        if engine is None:
            return None
        board_s = self._reader.board_s()
        engine_s, front_s = self._reader.process_s(engine), self._reader.process_s(os.getpid())
        if board_s is None or engine_s is None or front_s is None:
            return None
        return _Sample(engine, self._clock(), engine_s, front_s, board_s)


class Temperatures(NamedTuple):
    """Temperatures of the hottest zone and of the one nearest to its trip point, and that point.

    None: not known.
    """

    hottest_c: float | None = None
    nearest_c: float | None = None
    trip_c: float | None = None


def temperatures(snapshot: BoardSnapshot | None) -> Temperatures:
    """Return the board's temperatures now; if none can be read, only the lowest trip point."""
    if snapshot is None:
        return Temperatures()
    zones = snapshot.heat.now()
    hot, near = hottest(zones), nearest(zones)
    if hot is None:
        return Temperatures(trip_c=snapshot.heat.lowest_trip_c())
    if near is None:
        return Temperatures(hot.temp_c)
    return Temperatures(hot.temp_c, near.temp_c, near.trip_c)


def fan_drive(snapshot: BoardSnapshot) -> float | None:
    """Return how hard the fan is driven, 0 to 1; 0 where it stands still all the same."""
    drives = snapshot.sampler.values("fraction", "fan").values()
    speeds = snapshot.sampler.values("rpm", "fan").values()
    return 0.0 if drives and speeds and not any(speeds) else max(drives, default=None)


class SagWatch:
    """Tells from look to look whether the supply sags: by a flag, or by a counter that grew."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}

    def look(self, snapshot: BoardSnapshot | None) -> str | None:
        """Return the flag or counter that tells of a sag; None: there is none."""
        if snapshot is None:
            return None
        grown = self._grown(snapshot)
        flags = [(name, snapshot.sampler.reading(name, "flag")) for name in UNDER_VOLTAGE]
        stands = [name for name, reading in flags if reading is not None and reading.value]
        return next(iter((*stands, *grown)), None)

    def _grown(self, snapshot: BoardSnapshot) -> list[str]:
        before, grown = self._counts, list[str]()
        for name, count in snapshot.sampler.values("count", OVER_CURRENT).items():
            if count > before.get(name, count):
                grown.append(name)
            before[name] = count
        return grown


def cpu_clock_hz(snapshot: BoardSnapshot, busy: float) -> float | None:
    """Return the clock that at least one of `busy` cores at work has or exceeds; None: not known.

    Cores at rest may show any clock: where b of n cores are busy, the n - b highest clocks may be
    theirs.
    """
    policies = [
        policy
        for reader in snapshot.sampler.readers
        for policy in (reader.policies if isinstance(reader, CpuFreq) else ())
    ]
    names = [policy.name for policy in policies for _ in policy.cpus]
    return _clock_hz(snapshot, names, max(0, math.ceil(len(names) - busy - _SPARE)))


def gpu_clock_hz(snapshot: BoardSnapshot) -> float | None:
    """Return the lowest clock of the GPU's parts; None: not known, or the GPU is at rest."""
    readers = snapshot.sampler.readers
    names = [name for one in readers if isinstance(one, DevFreq) for name in one.gpus]
    if (gpu_load(snapshot) or 0.0) < _AT_WORK:
        return None
    return _clock_hz(snapshot, names, len(names) - 1)


def _clock_hz(snapshot: BoardSnapshot, names: Sequence[str], place: int) -> float | None:
    """Return the clock at a place in the order of clocks, the highest first.

    They are compared as shares of their own limits, and the one that is found is returned as that
    share of the highest limit: cores of different kinds have different clocks.
    """
    found: list[tuple[float, float]] = []  # shares, and limits in Hz
    for name in names:
        now, limit = (snapshot.sampler.reading(n, "clock_hz") for n in (name, f"{name} max"))
        if now and limit and now.value is not None and limit.value:
            found.append((now.value / limit.value, limit.value))
    if not found or len(found) < len(names) or place >= len(found):
        return None
    share, _ = sorted(found, reverse=True)[place]
    return share * max(limit_hz for _, limit_hz in found)


def gpu_load(snapshot: BoardSnapshot) -> float | None:
    """Return the share of the time that the busiest GPU was busy; None where no driver tells it."""
    return max(snapshot.sampler.values("fraction", "gpu").values(), default=None)


class SupplyMeter:
    """Takes the meter's readings as they come, and is looked at now and then."""

    def __init__(self) -> None:
        self.total_j = 0.0  # since the start, of all meters that there were
        self._latest: Metered | None = None
        self._begin: Metered | None = None  # as it stood at the last look that found news
        self._power_w: float | None = None

    def hear(self, meter: Metered) -> None:
        """Take a reading; what another meter told before says nothing about this one's."""
        before, self._latest = self._latest, meter
        if before is None or _another(before, meter):
            self._begin, self._power_w = meter, None
            return
        self.total_j += max(0.0, meter.energy.energy_j - before.energy.energy_j)

    def power_w(self, now_s: float) -> float | None:
        """Mean watts since the last look; those before as long as there is nothing new.

        None where there has been nothing for HOLD_S, or never was.
        """
        begin, latest = self._begin, self._latest
        if begin is None or latest is None:
            return None
        covered_s = latest.energy.covered_s - begin.energy.covered_s
        if covered_s > 0.0:
            self._power_w = (latest.energy.energy_j - begin.energy.energy_j) / covered_s
            self._begin = latest
        elif now_s - begin.time_s > HOLD_S:
            self._begin, self._power_w = latest, None
        return self._power_w


def _another(before: Metered, now: Metered) -> bool:
    """Return whether `now` is of another meter, or of one that was reset."""
    told = (before.quality, before.rails) != (now.quality, now.rails)
    return told or now.energy.covered_s < before.energy.covered_s
