"""Clocks of processor, GPU and memory, the limits that are set on them, and how busy GPUs are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.base import nothing
from edge_rt.board.readers.gauges import GaugeFile, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_integer, first_line, numbered

_HZ_HIGH = 20_000_000_000
_GPU_ENDS = (".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")  # of Jetsons before Thor


class DevFreq(GaugeReader):
    """`clock_hz` of each devfreq device, named as the kernel names it, such as "gpu-gpc-0", and the
    same named "gpu-gpc-0 max": the highest that is allowed.
    """

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        gauges = [g for device in devices(sysfs) for g in _device_gauges(device)]
        reason = f"no device with cur_freq below {sysfs}/class/devfreq"
        super().__init__("devfreq", gauges, period_s, nothing("devfreq", reason, gauges), io)


def devices(sysfs: Path) -> list[Path]:
    """The folders of all devfreq devices that tell their clock."""
    found = numbered(sysfs / "class" / "devfreq", "*")
    return [device for device in found if (device / "cur_freq").exists()]


def gpu_devices(sysfs: Path) -> list[Path]:
    """Those whose clock is that of a Jetson's GPU, not that of its video decoders."""
    return [device for device in devices(sysfs) if _is_gpu(device.name)]


def _is_gpu(name: str) -> bool:
    return name.endswith(_GPU_ENDS) or name.startswith(("gpu-gpc", "gpu.")) or name == "gpu"


def _device_gauges(device: Path) -> Iterator[GaugeFile]:
    for name, file in ((device.name, "cur_freq"), (f"{device.name} max", "max_freq")):
        if (device / file).exists():
            yield gauge(name, "clock_hz", device / file, 1.0, 0, _HZ_HIGH)


_MHZ_HIGH = 20_000
# NVIDIA's links to a Jetson's GPU, for kernels whose GPU is no devfreq device.
_LINKS = ("devices/platform/gpu.0", "devices/gpu.0")


class GpuReader(GaugeReader):
    """Reads each GPU's load, as a `fraction` of the time, from its driver.

    AMD's and Intel's GPUs also have `clock_hz`, and as "cardN max" the highest one.
    """

    def __init__(self, sysfs: Path, period_s: float = 0.25, io: FileIo = FILE_IO) -> None:
        gauges = [*_jetson(sysfs), *_cards(sysfs)]
        reason = f"no GPU that tells its load below {sysfs}/class/devfreq or {sysfs}/class/drm"
        super().__init__("gpu", gauges, period_s, nothing("gpu", reason, gauges), io)


def _jetson(sysfs: Path) -> Iterator[GaugeFile]:
    """`load` in thousandths, beside the devfreq folder of the device."""
    places = [(device.name, device / "device") for device in gpu_devices(sysfs)]
    found = [place for place in places if (place[1] / "load").exists()]
    links = [("gpu.0", sysfs / link) for link in _LINKS if (sysfs / link / "load").exists()]
    for name, folder in found or links[:1]:
        yield gauge(name, "fraction", folder / "load", 1e-3, 0, 1000)


def _cards(sysfs: Path) -> Iterator[GaugeFile]:
    """Graphics cards of PCs; a card's outputs, such as card0-DP-1, are left out."""
    for card in numbered(sysfs / "class" / "drm", "card*"):
        name = card.name
        if "-" not in name:
            clocks = numbered(card / "device" / "hwmon", "hwmon*/freq1_input")
            rows = [
                gauge(name, "fraction", card / "device" / "gpu_busy_percent", 1e-2, 0, 100),
                *(gauge(name, "clock_hz", path, 1.0, 0, _HZ_HIGH) for path in clocks[:1]),
                gauge(name, "clock_hz", card / "gt_act_freq_mhz", 1e6, 0, _MHZ_HIGH),
                gauge(f"{name} max", "clock_hz", card / "gt_max_freq_mhz", 1e6, 0, _MHZ_HIGH),
            ]
            yield from (row for row in rows if row.path.exists())


KHZ_HIGH = 20_000_000


@dataclass(frozen=True)
class Policy:
    """A group of cores with one clock; what the hardware can do, in Hz, None where unknown."""

    name: str
    folder: Path
    cpus: tuple[int, ...]
    hardware_max_hz: float | None


class CpuFreq(GaugeReader):
    """`clock_hz` of each policy, and the same named "policyN max" and "policyN min"."""

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        self.policies = policies(sysfs)
        gauges = [g for policy in self.policies for g in _gauges(policy)]
        reason = f"no cpufreq policy below {sysfs}/devices/system/cpu/cpufreq"
        super().__init__("cpufreq", gauges, period_s, nothing("cpufreq", reason, gauges), io)


def policies(sysfs: Path) -> tuple[Policy, ...]:
    """The cpufreq policies of this board, in the order of their numbers."""
    base = sysfs / "devices" / "system" / "cpu" / "cpufreq"
    return tuple(_policy(folder) for folder in numbered(base, "policy*"))


def _policy(folder: Path) -> Policy:
    words = (first_line(folder / "related_cpus") or "").split()
    return Policy(
        folder.name,
        folder,
        tuple(int(word) for word in words if word.isdigit()),
        _hz(folder / "cpuinfo_max_freq"),
    )


def _hz(path: Path) -> float | None:
    khz = first_integer(path)
    return khz * 1e3 if khz is not None and 0 < khz <= KHZ_HIGH else None


def _gauges(policy: Policy) -> list[GaugeFile]:
    rows = (
        (policy.name, "scaling_cur_freq"),
        (f"{policy.name} max", "scaling_max_freq"),
        (f"{policy.name} min", "scaling_min_freq"),
    )
    files = [(name, policy.folder / file) for name, file in rows]
    return [gauge(n, "clock_hz", p, 1e3, 0, KHZ_HIGH) for n, p in files if p.exists()]
