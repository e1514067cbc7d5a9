"""Power of a board that cannot measure it, estimated from CPU time and clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.base import PENDING, BaseReader, Channel, Kind
from edge_rt.board.readers.clocks import KHZ_HIGH, policies
from edge_rt.board.readers.cpu import CpuTime
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, HeldFile


@dataclass(frozen=True)
class Coefficients:
    """What a board draws: `static_w` always, and `core_w` for each core busy at its top clock.

    `voltage_floor` is the core voltage towards 0 Hz as a fraction of that at the top clock.
    """

    static_w: float
    core_w: float
    voltage_floor: float = 0.6


class ModelledPower(BaseReader):
    """`power_w` and a counter `energy_j` of quality "modelled", for boards without a power sensor.

    The power is the mean since the last read, so the counter knows more than its trapezoids. It
    starts again after a read that failed.

    Power = static_w + busy cores x core_w x V²f, with f the clock as a fraction of the top clock
    and V = voltage_floor + (1 - voltage_floor) x f; both are our own simplification. Without
    cpufreq f is 1. GPU, memory and peripherals are in `static_w` only.
    """

    def __init__(
        self,
        sysfs: Path,
        proc: Path,
        coefficients: Coefficients,
        io: FileIo = FILE_IO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is in seconds."""
        source = f"model of {proc}/stat and cpufreq"
        kinds: tuple[Kind, ...] = ("power_w", "energy_j")
        channels = [Channel("board", kind, source, "modelled") for kind in kinds]
        super().__init__("modelled", channels, 0.2)
        self._coefficients = coefficients
        self._time = CpuTime(proc, io)
        self._clock = clock
        self._last: tuple[float, float] | None = None
        self._energy_j = 0.0
        self._clocks = [
            (HeldFile(p.folder / "scaling_cur_freq", io), p.hardware_max_hz, max(1, len(p.cpus)))
            for p in policies(sysfs)
        ]

    def close(self) -> None:
        self._time.file.close()
        for file, *_ in self._clocks:
            file.close()

    def _read(self) -> None:
        busy_s = self._time.busy_s()
        now = self._clock()
        before, self._last = self._last, None if busy_s is None else (now, busy_s)
        if busy_s is None:
            self._fail_all(self._time.error or "")
        elif before is None or now <= before[0]:
            self._fail(0, PENDING)
            self._energy_j = 0.0
            self._set(1, 0.0)
        else:
            elapsed = now - before[0]
            busy_cores = max(0.0, busy_s - before[1]) / elapsed
            known = self._coefficients
            power_w = known.static_w + busy_cores * known.core_w * self._scale()
            self._energy_j += power_w * elapsed
            self._set(0, power_w)
            self._set(1, self._energy_j)

    def _scale(self) -> float:
        """V²f over all cores, 1 at the top clock and where no clock can be read."""
        total, cores = 0.0, 0
        for file, top_hz, cpus in self._clocks:
            khz = file.number(0, KHZ_HIGH)
            if khz is not None and top_hz is not None:
                total += cpus * power_scale(khz * 1e3 / top_hz, self._coefficients.voltage_floor)
                cores += cpus
        return total / cores if cores else 1.0


def power_scale(clock: float, voltage_floor: float) -> float:
    """V²f as a fraction of that at the top clock; `clock` is a fraction too."""
    voltage = voltage_floor + (1.0 - voltage_floor) * clock
    return voltage * voltage * clock
