"""Clocks of processor, GPU and memory and their limits, and other readers of single files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from edge_rt.board.readers.base import BaseReader, Channel, Kind, Skipped
from edge_rt.board.readers.sysfs import (
    FILE_IO,
    FileIo,
    HeldFile,
    first_integer,
    first_line,
    numbered,
)
from edge_rt.core.reports.finding import Finding, note, ok

TEMP_LOW_MC, TEMP_HIGH_MC = -100_000, 300_000  # a gated zone may read -256000, an unset one -274000
_HZ_HIGH = 20_000_000_000
GPU_ENDS = (".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")  # of Jetsons before Thor
_GPU = re.compile(r"gpu(-gpc|\.|\Z)")  # and of later ones
_MHZ_HIGH = 20_000
# NVIDIA's links to a Jetson's GPU, for kernels whose GPU is no devfreq device.
_LINKS = ("devices/platform/gpu.0", "devices/gpu.0")

KHZ_HIGH = 20_000_000
_CLOCKS = (("", "scaling_cur_freq"), (" max", "scaling_max_freq"), (" min", "scaling_min_freq"))
_OWN_DRIVERS = ("intel_pstate", "amd-pstate-epp")  # whose "powersave" is the usual governor


@dataclass(frozen=True)
class GaugeFile:
    """A file's number times `scale` is the channel; outside `low`..`high` it cannot be right."""

    name: str
    kind: Kind
    path: Path
    scale: float
    low: int = 0
    high: int = 10**15

    @property
    def channel(self) -> Channel:
        """The channel, whose source is the path."""
        return Channel(self.name, self.kind, str(self.path))


def temperature(name: str, path: Path) -> GaugeFile:
    """Return a gauge of a file in thousandths of °C."""
    return GaugeFile(name, "temp_c", path, 1e-3, TEMP_LOW_MC, TEMP_HIGH_MC)


class GaugeReader(BaseReader):
    """Reads one number for each channel.

    A file whose read does not return takes no other with it: see `pass_over`.
    """

    def __init__(
        self,
        name: str,
        gauges: Sequence[GaugeFile],
        period_s: float,
        io: FileIo = FILE_IO,
        absent: str = "",
        skipped: Sequence[Skipped] = (),
    ) -> None:
        super().__init__(name, [g.channel for g in gauges], period_s, skipped, absent=absent)
        self._gauges = [(HeldFile(g.path, io), g.scale, g.low, g.high) for g in gauges]
        self._lock = threading.Lock()
        self._at: int | None = None  # the gauge that is being read
        self._passed: set[int] = set()  # gauges whose read has not returned yet

    def close(self) -> None:
        """Close every file that nobody waits for."""
        for index, (file, *_) in enumerate(self._gauges):
            if index not in self._passed:
                file.close()

    def pass_over(self, why: str) -> Channel | None:
        """Leave out the file that is being read until it answers.

        Another thread can then read the others. Returns its channel, None where no file is being
        read; `why` tells people.
        """
        with self._lock:
            at, self._at = self._at, None
            if at is None:
                return None
            self._passed.add(at)
            self._fail(at, why)
            return self.channels[at]

    def _read(self) -> None:
        for index, (file, scale, low, high) in enumerate(self._gauges):
            with self._lock:
                if index in self._passed:
                    continue
                self._at = index
            raw = file.number(low, high)
            with self._lock:
                if index in self._passed:  # another thread reads the others by now
                    self._passed.discard(index)
                    return
                self._at = None
            self._put(index, file.error or "" if raw is None else raw * scale)


class DevFreq(GaugeReader):
    """`clock_hz` of each devfreq device, and the highest that is allowed.

    They are named as the kernel names the device: "gpu-gpc-0" and "gpu-gpc-0 max".
    """

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        self.gpus = tuple(device.name for device in gpu_devices(sysfs))
        gauges = [
            GaugeFile(f"{device.name}{what}", "clock_hz", device / file, 1.0, 0, _HZ_HIGH)
            for device in devices(sysfs)
            for what, file in (("", "cur_freq"), (" max", "max_freq"))
            if (device / file).exists()
        ]
        reason = f"no device with cur_freq below {sysfs}/class/devfreq"
        super().__init__("devfreq", gauges, 0.5, io, reason)


def devices(sysfs: Path) -> list[Path]:
    """Return the folders of all devfreq devices that tell their clock."""
    found = numbered(sysfs / "class" / "devfreq", "*")
    return [device for device in found if (device / "cur_freq").exists()]


def gpu_devices(sysfs: Path) -> list[Path]:
    """Return the devices whose clock is a Jetson GPU's, not a video decoder's."""
    named = [(device.name, device) for device in devices(sysfs)]
    return [device for name, device in named if name.endswith(GPU_ENDS) or _GPU.match(name)]


class GpuReader(GaugeReader):
    """Reads each GPU's load, as a `fraction` of the time, from its driver.

    AMD's and Intel's GPUs also have `clock_hz`, and as "cardN max" the highest one.
    """

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        gauges = [*_jetson(sysfs), *_cards(sysfs)]
        reason = f"no GPU that tells its load below {sysfs}/class/devfreq or {sysfs}/class/drm"
        super().__init__("gpu", gauges, 0.25, io, reason)


def _jetson(sysfs: Path) -> Iterator[GaugeFile]:
    """`load` in thousandths, beside the devfreq folder of the device."""
    places = [(device.name, device / "device") for device in gpu_devices(sysfs)]
    found = [place for place in places if (place[1] / "load").exists()]
    links = [("gpu.0", sysfs / link) for link in _LINKS if (sysfs / link / "load").exists()]
    for name, folder in found or links[:1]:
        yield GaugeFile(name, "fraction", folder / "load", 1e-3, 0, 1000)


def _cards(sysfs: Path) -> Iterator[GaugeFile]:
    """Graphics cards of PCs; a card's outputs, such as card0-DP-1, are left out."""
    for card in numbered(sysfs / "class" / "drm", "card*"):
        name = card.name
        if "-" not in name:
            clocks = numbered(card / "device" / "hwmon", "hwmon*/freq1_input")
            rows = [
                GaugeFile(name, "fraction", card / "device" / "gpu_busy_percent", 1e-2, 0, 100),
                *(GaugeFile(name, "clock_hz", path, 1.0, 0, _HZ_HIGH) for path in clocks[:1]),
                GaugeFile(name, "clock_hz", card / "gt_act_freq_mhz", 1e6, 0, _MHZ_HIGH),
                GaugeFile(f"{name} max", "clock_hz", card / "gt_max_freq_mhz", 1e6, 0, _MHZ_HIGH),
            ]
            yield from (row for row in rows if row.path.exists())


@dataclass(frozen=True)
class Policy:
    """A group of cores with one clock; what the hardware can do, in Hz, None where unknown."""

    name: str
    folder: Path
    cpus: tuple[int, ...]
    hardware_max_hz: float | None

    @property
    def governor(self) -> str | None:
        """The kernel's governor that sets the clock; None: no file tells."""
        return first_line(self.folder / "scaling_governor")

    @property
    def is_slow(self) -> bool:
        """Whether the governor keeps the slowest clock."""
        driver = first_line(self.folder / "scaling_driver")
        return self.governor == "powersave" and driver not in _OWN_DRIVERS

    @property
    def cap_hz(self) -> float | None:
        """The clock that users allow at most, where the hardware can do more."""
        khz = first_integer(self.folder / "scaling_max_freq")
        if khz is None or self.hardware_max_hz is None or khz * 1e3 >= self.hardware_max_hz:
            return None
        return khz * 1e3


class CpuFreq(GaugeReader):
    """`clock_hz` of each policy, and the same named "policyN max" and "policyN min"."""

    def __init__(self, sysfs: Path, io: FileIo = FILE_IO) -> None:
        self.policies = policies(sysfs)
        gauges = [
            GaugeFile(f"{p.name}{what}", "clock_hz", p.folder / file, 1e3, 0, KHZ_HIGH)
            for p in self.policies
            for what, file in _CLOCKS
            if (p.folder / file).exists()
        ]
        reason = f"no cpufreq policy below {sysfs}/devices/system/cpu/cpufreq"
        super().__init__("cpufreq", gauges, 0.5, io, reason)

    @override
    def diagnose(self, supply_w: float | None = None) -> Iterator[Finding]:
        """Yield the cores with who sets their clock, and a governor that keeps it low."""
        tops = [policy.hardware_max_hz for policy in self.policies if policy.hardware_max_hz]
        top = f"up to {max(tops) / 1e9:.2f} GHz" if tops else "top clock unknown"
        cores = sum(len(policy.cpus) for policy in self.policies)
        governors = {policy.governor for policy in self.policies} - {None}
        names = ", ".join(sorted(map(str, governors)))
        yield ok("clocks", f"{cores} cores, {top}" + (f", governor {names}" if names else ""))
        slow = [policy for policy in self.policies if policy.is_slow]
        if slow:
            files = f"{slow[0].folder.parent}/policy*/scaling_governor"
            remedy = f"echo schedutil | sudo tee {files}"
            yield note("clocks", "governor powersave keeps the slowest clock", remedy)


def policies(sysfs: Path) -> tuple[Policy, ...]:
    """Return the cpufreq policies of this board, in the order of their numbers."""
    base = sysfs / "devices" / "system" / "cpu" / "cpufreq"
    return tuple(_policy(folder) for folder in numbered(base, "policy*"))


def _policy(folder: Path) -> Policy:
    words = (first_line(folder / "related_cpus") or "").split()
    cpus = tuple(int(word) for word in words if word.isdigit())
    khz = first_integer(folder / "cpuinfo_max_freq")
    top_hz = khz * 1e3 if khz is not None and 0 < khz <= KHZ_HIGH else None
    return Policy(folder.name, folder, cpus, top_hz)
