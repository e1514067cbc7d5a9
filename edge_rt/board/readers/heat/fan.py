"""Fans: how fast they turn and how hard they are driven."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import Kind, nothing, unique
from edge_rt.board.readers.gauges import Gauge, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_line, numbered

_PWM_TOP = 255
_RPM_HIGH = 100_000


class Fan(GaugeReader):
    """`rpm` and the drive as a `fraction`, of every hwmon device that has a fan.

    Jetsons part the two over devices (`pwmfan`, `pwm_tach`) and name the speed `rpm` on some.
    """

    def __init__(self, sysfs: Path, period_s: float = 1.0, io: FileIo = FILE_IO) -> None:
        found: list[tuple[str, Path]] = []
        for folder in numbered(sysfs / "class" / "hwmon", "hwmon*"):
            found += _files(folder)
        speeds = [pair for pair in found if not pair[1].name.startswith("pwm")]
        drives = [pair for pair in found if pair[1].name.startswith("pwm")]
        gauges = _gauges(speeds, "rpm", 1.0, _RPM_HIGH)
        gauges += _gauges(drives, "fraction", 1.0 / _PWM_TOP, _PWM_TOP)
        reason = f"no fan*_input, rpm or pwm* among the hwmon devices below {sysfs}"
        super().__init__("fan", gauges, period_s, nothing("fan", reason, gauges), io)


def _files(folder: Path) -> list[tuple[str, Path]]:
    name = first_line(folder / "name") or folder.name
    speeds = numbered(folder, "fan*_input") or numbered(folder, "rpm")
    files = speeds + numbered(folder, "pwm[0-9]")
    return [(first_line(_label(path)) or name, path) for path in files]


def _label(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix('_input')}_label")


def _gauges(pairs: list[tuple[str, Path]], kind: Kind, scale: float, high: int) -> list[Gauge]:
    names = unique(name for name, _ in pairs)
    return [gauge(n, kind, p, scale, 0, high) for n, (_, p) in zip(names, pairs, strict=True)]
