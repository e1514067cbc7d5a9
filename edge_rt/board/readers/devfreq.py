"""Clocks of other devices: GPU and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_rt.board.readers.base import nothing
from edge_rt.board.readers.gauges import Gauge, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, numbered

_HZ_HIGH = 20_000_000_000
_GPU_ENDS = (".gpu", ".ga10b", ".gv11b", ".gp10b", ".gm20b")  # of Jetsons before Thor


class DevFreq(GaugeReader):
    """`clock_hz` of each devfreq device, named as the kernel names it, such as "gpu-gpc-0", and the
    same named "gpu-gpc-0 max": the highest that is allowed.
    """

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        gauges = [g for device in devices(sysfs) for g in _gauges(device)]
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


def _gauges(device: Path) -> Iterator[Gauge]:
    for name, file in ((device.name, "cur_freq"), (f"{device.name} max", "max_freq")):
        if (device / file).exists():
            yield gauge(name, "clock_hz", device / file, 1.0, 0, _HZ_HIGH)
