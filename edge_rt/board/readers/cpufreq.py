"""Clocks of the processor: now, and the limits that are set on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_rt.board.readers.base import nothing
from edge_rt.board.readers.gauges import Gauge, GaugeReader, gauge
from edge_rt.board.readers.sysfs import FILE_IO, FileIo, first_integer, first_line, numbered

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


def _gauges(policy: Policy) -> list[Gauge]:
    rows = (
        (policy.name, "scaling_cur_freq"),
        (f"{policy.name} max", "scaling_max_freq"),
        (f"{policy.name} min", "scaling_min_freq"),
    )
    files = [(name, policy.folder / file) for name, file in rows]
    return [gauge(n, "clock_hz", p, 1e3, 0, KHZ_HIGH) for n, p in files if p.exists()]
