"""How busy GPUs are, and the clocks of those that are no devfreq devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_rt.board.readers.base import nothing
from edge_rt.board.readers.devfreq import gpu_devices
from edge_rt.board.readers.gauges import Gauge, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, numbered

_HZ_HIGH = 20_000_000_000
_MHZ_HIGH = 20_000
# NVIDIA's links to a Jetson's GPU, for kernels whose GPU is no devfreq device.
_LINKS = ("devices/platform/gpu.0", "devices/gpu.0")


class Gpu(GaugeReader):
    """Reads each GPU's load, as a `fraction` of the time, from its driver.

    AMD's and Intel's GPUs also have `clock_hz`, and as "cardN max" the highest one.
    """

    def __init__(self, sysfs: Path, period_s: float = 0.25, io: FileIo = FILE_IO) -> None:
        gauges = [*_jetson(sysfs), *_cards(sysfs)]
        reason = f"no GPU that tells its load below {sysfs}/class/devfreq or {sysfs}/class/drm"
        super().__init__("gpu", gauges, period_s, nothing("gpu", reason, gauges), io)


def _jetson(sysfs: Path) -> Iterator[Gauge]:
    """`load` in thousandths, beside the devfreq folder of the device."""
    places = [(device.name, device / "device") for device in gpu_devices(sysfs)]
    found = [place for place in places if (place[1] / "load").exists()]
    links = [("gpu.0", sysfs / link) for link in _LINKS if (sysfs / link / "load").exists()]
    for name, folder in found or links[:1]:
        yield gauge(name, "fraction", folder / "load", 1e-3, 0, 1000)


def _cards(sysfs: Path) -> Iterator[Gauge]:
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
