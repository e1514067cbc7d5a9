"""How often an x86 processor has slowed down for its heat."""

from __future__ import annotations

from pathlib import Path

from edge_rt.board.readers.base import nothing
from edge_rt.board.readers.gauges import Gauge, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_integer, numbered


class ThermalThrottle(GaugeReader):
    """A `count` for each package and core since boot, one CPU standing for its siblings."""

    def __init__(self, sysfs: Path, period_s: float = 1.0, io: FileIo = FILE_IO) -> None:
        base = sysfs / "devices" / "system" / "cpu"
        found: dict[str, Gauge] = {}
        for cpu in numbered(base, "cpu[0-9]*"):
            for name, file in _counts(cpu):
                if file.exists():
                    found.setdefault(name, gauge(name, "count", file, 1.0))
        gauges = list(found.values())
        skipped = nothing("thermal_throttle", f"no thermal_throttle below {base}/cpu*", gauges)
        super().__init__("thermal_throttle", gauges, period_s, skipped, io)


def _counts(cpu: Path) -> list[tuple[str, Path]]:
    package = first_integer(cpu / "topology" / "physical_package_id") or 0
    core = first_integer(cpu / "topology" / "core_id")
    own = cpu.name if core is None else f"core {core}"
    folder = cpu / "thermal_throttle"
    return [
        (f"package-{package} throttled", folder / "package_throttle_count"),
        (f"package-{package} {own} throttled", folder / "core_throttle_count"),
    ]
