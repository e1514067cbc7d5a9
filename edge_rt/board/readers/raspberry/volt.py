"""The Raspberry Pi's undervoltage alarm and, on newer kernels, its voltages."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import nothing, unique
from edge_rt.board.readers.gauges import Gauge, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_line, hwmon_devices, numbered

ALARM = "under_voltage_alarm"


class PiVolt(GaugeReader):
    """The hwmon device `rpi_volt`: one flag, true below about 4.63 V, and labelled voltages."""

    def __init__(self, sysfs: Path, period_s: float = 0.5, io: FileIo = FILE_IO) -> None:
        gauges: list[Gauge] = []
        for _, folder in hwmon_devices(sysfs, frozenset(("rpi_volt",))):
            gauges += _gauges(folder)
        reason = f"no hwmon device of that name below {sysfs}"
        super().__init__("rpi_volt", gauges, period_s, nothing("rpi_volt", reason, gauges), io)


def _gauges(folder: Path) -> list[Gauge]:
    alarm = folder / "in0_lcrit_alarm"
    found = [gauge(ALARM, "flag", alarm, 1.0, 0, 1)] if alarm.exists() else []
    inputs = numbered(folder, "in*_input")
    labels = [first_line(p.with_name(p.name.replace("_input", "_label"))) for p in inputs]
    names = unique(label or p.name[:-6] for label, p in zip(labels, inputs, strict=True))
    pairs = zip(names, inputs, strict=True)
    return found + [gauge(n, "voltage_v", p, 1e-3, 0, 1_000_000) for n, p in pairs]
