"""Clocks of other devices: GPU and memory."""

from __future__ import annotations

from pathlib import Path

from edge_rt.sensors.base import nothing
from edge_rt.sensors.gauges import GaugeReader, gauge
from edge_rt.sensors.sysfs import FILE_IO, FileIo, numbered

_HZ_HIGH = 20_000_000_000
_GPU_ENDS = (".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")  # of Jetsons before Thor


class DevFreq(GaugeReader):
    """`clock_hz` of each devfreq device, named as the kernel names it, such as "gpu-gpc-0"."""

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        files = [device / "cur_freq" for device in devices(sysfs)]
        gauges = [gauge(p.parent.name, "clock_hz", p, 1.0, 0, _HZ_HIGH) for p in files]
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
