"""All files of a simulated board: procfs, the marks that tell which board it is, and its parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_rt.twin.chip import CpuClocks, GpuClocks, cooling, fan_files, zones
from edge_rt.twin.filesystem import Folders, ShownFile, TextFile
from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.plant import PlantState
from edge_rt.twin.rails import jetson_power, pi_flags, pmic_power, rapl_power
from edge_rt.twin.shape import Parameters, Shape

_ARM = "processor\t: {}\nBogoMIPS\t: 38.40\nCPU architecture: 8\n\n"
_X86 = (
    "processor\t: {}\nvendor_id\t: GenuineIntel\nmodel name\t: Simulated processor\n"
    "flags\t\t: fpu lm sse sse2\n\n"
)

_TICKS = os.sysconf("SC_CLK_TCK")
_KERNEL_SHARE = 0.07  # of the memory that is fitted: never seen by the kernel's users
_SYSTEM_SHARE = 0.05  # what the rest of a small system holds
_MEMORY_S = 1.0


def write_identity(folders: Folders, shape: Shape) -> None:
    """Write the marks of the profile's board, and of no other board."""
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


def _free_bytes() -> int:
    import psutil  # which a daemon with a board of its own does without

    return psutil.virtual_memory().available


class HostFiles:
    """stat, meminfo, and links to the folders of the watched processes."""

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


class BoardTree:
    """Shows the plant as the board's own kernel and firmware would, below one directory."""

    def __init__(self, root: Path, shape: Shape, parameters: Parameters) -> None:
        """StoreError where `root` cannot be used."""
        self.folders = Folders(root)
        write_identity(self.folders, shape)
        self._clocks = CpuClocks(self.folders, shape)
        self._gpu = GpuClocks(self.folders, shape) if shape.gpu_steps_hz else None
        self._host = HostFiles(self.folders, shape)
        self._files = (
            *zones(self.folders, shape, parameters.zone_nearness),
            *cooling(self.folders, shape),
            *self._clocks.files(),
            *(() if self._gpu is None else self._gpu.files()),
            *_power(self.folders, shape),
            *_rest(self.folders, shape),
        )

    def limits_hz(self) -> tuple[float, ...]:
        """Return the clocks that others allow, by policy."""
        return self._clocks.limits_hz()

    def gpu_limit_hz(self) -> float | None:
        """Return the GPU's clock that others allow; None where there is no GPU."""
        return None if self._gpu is None else self._gpu.limit_hz()

    def show(self, state: PlantState, dt_s: float, usage: WatchedUsage) -> None:
        """Bring all files up to date after a step of `dt_s`."""
        for shown in self._files:
            shown.show(state)
        self._host.show(dt_s, state.busy_cores, usage)

    def remove(self) -> None:
        self.folders.remove()


def _power(folders: Folders, shape: Shape) -> Iterator[ShownFile]:
    chips = {rail.chip for rail in shape.board.rails.values()}
    if chips & {"ina3221", "ina238"}:
        yield from jetson_power(folders, shape.board, iio=shape.prior.iio)
    if "rapl" in chips:
        yield from rapl_power(folders, shape.board)


def _rest(folders: Folders, shape: Shape) -> Iterator[ShownFile]:
    if shape.firmware_throttles:
        yield from pi_flags(folders)
        yield pmic_power(folders, shape.board)
    if shape.fan_points:
        yield from fan_files(folders, jetson=bool(shape.gpu_steps_hz))
