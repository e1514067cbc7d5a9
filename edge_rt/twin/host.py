"""The procfs of a simulated board, and the files by which the board is recognised."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil

from edge_rt.twin.filesystem import Folders, TextFile
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.shape import Shape

_ARM = "processor\t: {}\nBogoMIPS\t: 38.40\nCPU architecture: 8\n\n"
_X86 = (
    "processor\t: {}\nvendor_id\t: GenuineIntel\nmodel name\t: Simulated processor\n"
    "flags\t\t: fpu lm sse sse2\n\n"
)


def write_identity(folders: Folders, shape: Shape) -> None:
    """Every mark that the profile wants of its board, and no other board's."""
    match = shape.board.match
    x86 = "x86_64" in match.architectures
    cpus = "".join((_X86 if x86 else _ARM).format(core) for core in range(shape.cores))
    (folders.proc / "cpuinfo").write_text(cpus)
    if match.models or shape.compatible:
        tree = folders.sysfs / "firmware" / "devicetree" / "base"
        tree.mkdir(parents=True)
        folders.link(folders.proc / "device-tree", tree)
        model = next(iter(match.models), shape.board.name)
        (tree / "model").write_bytes(f"{model}\0".encode())
        compatible = "".join(f"{name}\0" for name in shape.compatible)
        (tree / "compatible").write_bytes(compatible.encode())
    if match.dmi:
        folders.write(folders.sysfs / "class" / "dmi" / "id", {"product_name": match.dmi[0]})
    if shape.board.power_modes:
        modes = enumerate(shape.board.power_modes)
        rows = "".join(f"< POWER_MODEL ID={number} NAME={name} >\n" for number, name in modes)
        (folders.etc / "nvpmodel.conf").write_text(rows)


_TICKS = os.sysconf("SC_CLK_TCK")
_KERNEL_SHARE = 0.07  # of the memory that is fitted: never seen by the kernel's users
_SYSTEM_SHARE = 0.05  # what the rest of a small system holds
_MEMORY_S = 1.0


def _free_bytes() -> int:
    return psutil.virtual_memory().available


class HostFiles:
    """stat, meminfo, pressure, and links to the folders of the watched processes."""

    def __init__(
        self,
        folders: Folders,
        shape: Shape,
        proc: Path = Path("/proc"),
        free_bytes: Callable[[], int] = _free_bytes,
    ) -> None:
        """`proc` is this machine's; no more memory is promised than it has free."""
        self._proc, self._real, self._cores = folders.proc, proc, shape.cores
        self._free_bytes = free_bytes
        fitted = max(shape.board.memory_sizes_bytes, default=8 << 30)
        self._total_bytes = round(fitted * (1 - _KERNEL_SHARE))
        self._stat = TextFile(folders.proc / "stat")
        self._memory = TextFile(folders.proc / "meminfo")
        self._next_memory_s = 0.0
        self._busy_s = self._time_s = 0.0
        self._linked: set[int] = set()
        if (proc / "pressure").is_dir():
            (folders.proc / "pressure").symlink_to(proc / "pressure")

    def show(self, dt_s: float, busy_cores: float, usage: WatchedUsage) -> None:
        """Bring the files up to date after `dt_s` with `busy_cores` at work."""
        self._time_s += dt_s
        self._busy_s += busy_cores * dt_s
        self._stat.put(self._times())
        if self._time_s >= self._next_memory_s:
            self._next_memory_s = self._time_s + _MEMORY_S
            self._memory.put(self._amounts(usage))
        self._link(set(usage.pids))

    def _link(self, pids: set[int]) -> None:
        """Lead to the folders of `pids` and to no others: a number may come to mean another."""
        for pid in self._linked - pids:
            (self._proc / str(pid)).unlink()
        for pid in pids - self._linked:
            (self._proc / str(pid)).symlink_to(self._real / str(pid))
        self._linked = pids

    def _times(self) -> str:
        idle_s = max(0.0, self._cores * self._time_s - self._busy_s)
        busy, idle = round(self._busy_s * _TICKS), round(idle_s * _TICKS)
        rows = [f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n"]
        each = f"{busy // self._cores} 0 0 {idle // self._cores} 0 0 0 0 0 0\n"
        return "".join(rows + [f"cpu{core} {each}" for core in range(self._cores)])

    def _amounts(self, usage: WatchedUsage) -> str:
        own = self._total_bytes * (1 - _SYSTEM_SHARE) - usage.resident_bytes
        available = max(0, min(round(own), self._free_bytes()))
        rows = (("MemTotal:", self._total_bytes), ("MemFree:", available))
        rows += (("MemAvailable:", available),)
        return "".join(f"{name:<15}{amount // 1024:>9} kB\n" for name, amount in rows)
