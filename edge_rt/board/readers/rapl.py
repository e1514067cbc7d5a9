"""RAPL: the energy counters of x86 packages, through the kernel's powercap class."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path

from edge_rt.board.readers.base import PENDING, BaseReader, Channel, SensorAccess, unique
from edge_rt.board.readers.bounds import IMPOSSIBLE, TIMES, Kind
from edge_rt.board.readers.sysfs import (
    FILE_IO,
    FileIo,
    HeldFile,
    first_integer,
    first_line,
    numbered,
)

POWER_HIGH_W = 2000.0  # no package draws more: a faster counter was reset, not used
LEAST_W = 100.0  # that any package may draw for a moment, whatever its limits
RULES_FILE = "/etc/udev/rules.d/60-edge-rt.rules"


class EnergyCounter:
    """Counts from its first reading on; a counter that was reset starts again at 0 J.

    A step back is a wrap-around if the power it would mean can be; else the counter was reset
    (a driver loaded again, a suspend) and the window's energy is unknown.
    """

    def __init__(self, range_uj: int | None, high_w: float = POWER_HIGH_W) -> None:
        """`range_uj` is where the counter wraps, None where that is not known.

        Nothing that it counts draws more than `high_w`.
        """
        self.refused: str | None = None  # why the last window's energy is not known
        self.high_w = high_w
        self.energy_j = 0.0
        self.power_w: float | None = None  # over the last window; None where it is unknown
        self._range_uj = range_uj
        self._raw: int | None = None
        self._time_s = 0.0

    def advance(self, raw_uj: int, time_s: float) -> None:
        before, self._raw = self._raw, raw_uj
        elapsed, self._time_s = time_s - self._time_s, time_s
        self.power_w = self.refused = None
        if before is None:
            return
        moved_uj = raw_uj - before
        if moved_uj < 0 and self._range_uj:
            moved_uj += self._range_uj
        joules = moved_uj * 1e-6
        if joules < 0 or joules > self.high_w * max(elapsed, 0.0):
            self.energy_j = 0.0
            self.refused = f"the counter moved by {joules:.4g} J in {elapsed:.3g} s"
            return
        self.energy_j += joules
        if elapsed > 0:
            self.power_w = joules / elapsed


def udev_rule(group: str) -> str:
    """Return the udev rule, one line, that lets `group` read the counters.

    They are files of sysfs, to which udev's GROUP and MODE, made for device nodes, do not apply.
    """
    return (
        'ACTION!="remove", SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", '
        f'RUN+="/bin/chgrp {group} /sys%p/energy_uj", RUN+="/bin/chmod 0440 /sys%p/energy_uj"'
    )


ACCESS = SensorAccess(
    "the processor's energy counters (RAPL)",
    ("rapl",),
    module="intel_rapl_msr",
    subsystem="powercap",
    rule=udev_rule,
)


class Rapl(BaseReader):
    """`power_w` over the last window and `energy_j` since the first read, for each zone.

    Names: "package-0", its parts "package-0/core", the whole system "psys", and the same with
    "mmio/" before for the second interface. Parts lie inside their package, and psys and mmio
    count the same energy again: never add them. Only root reads the counters by default.
    """

    def __init__(
        self,
        sysfs: Path,
        io: FileIo = FILE_IO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is in seconds."""
        base = sysfs / "class" / "powercap"
        folders = [f for f in numbered(base, "intel-rapl*:*") if (f / "energy_uj").exists()]
        names = unique(_name(folder) for folder in folders)
        pairs = list(zip(names, folders, strict=True))
        kinds: tuple[Kind, ...] = ("power_w", "energy_j")
        channels = [Channel(n, kind, str(f / "energy_uj")) for n, f in pairs for kind in kinds]
        super().__init__("rapl", channels, 0.1, absent=f"no intel-rapl zone below {base}")
        self._zones = [
            (
                HeldFile(f / "energy_uj", io),
                EnergyCounter(first_integer(f / "max_energy_range_uj"), _high_w(f)),
            )
            for f in folders
        ]
        self._clock = clock

    def close(self) -> None:
        for file, _ in self._zones:
            file.close()

    def _read(self) -> None:
        for position, (file, counter) in enumerate(self._zones):
            index = 2 * position
            raw = file.number(0, 1 << 63)
            if raw is None:
                reason = _reason(file)
                self._fail(index, reason)
                self._fail(index + 1, reason)
                continue
            counter.advance(raw, self._clock())
            self._set(index + 1, counter.energy_j)
            if counter.refused is None:
                self._put(index, PENDING if counter.power_w is None else counter.power_w)
            else:
                top = f"{counter.high_w:.4g} W is the most that {self.channels[index].name} draws"
                self._fail(index, f"{counter.refused}, {IMPOSSIBLE}: {top}")


def _reason(file: HeldFile) -> str:
    if file.errno not in (errno.EACCES, errno.EPERM):
        return file.error or ""
    return (
        f"{file.path} may only be read by root: put this line into {RULES_FILE}: "
        f"{udev_rule(ACCESS.group)} and run: udevadm control --reload && "
        "udevadm trigger --subsystem-match=powercap"
    )


def _high_w(folder: Path) -> float:
    """More watts than the zone can draw, by the limits that its package may be set to."""
    while folder.name.count(":") > 1:  # a part has the limits of its package
        folder = folder.with_name(folder.name.rpartition(":")[0])
    names = ("constraint_*_max_power_uw", "constraint_*_power_limit_uw")
    files = [path for name in names for path in numbered(folder, name)]
    stated_w = max((first_integer(path) or 0 for path in files), default=0) * 1e-6
    return min(POWER_HIGH_W, max(LEAST_W, TIMES * stated_w)) if stated_w else POWER_HIGH_W


def _name(folder: Path) -> str:
    control, *numbers = folder.name.split(":")
    own = first_line(folder / "name") or folder.name
    if len(numbers) > 1:
        parent = folder.with_name(":".join([control, *numbers[:-1]]))
        return f"{_name(parent)}/{own}"
    return own if control == "intel-rapl" else f"{control.removeprefix('intel-rapl-')}/{own}"
