"""Clocks of a simulated board: cpufreq, which others may limit, and devfreq."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge_rt.twin.folders import Folders
from edge_rt.twin.part import NO_SENSORS
from edge_rt.twin.plant import State
from edge_rt.twin.published import Gauge
from edge_rt.twin.shape import Shape

_GPU_IDLE_HZ = 306_000_000


@dataclass
class _Policy:
    now: Gauge
    top: Gauge
    limit_hz: float  # what users of cpufreq allow


class CpuClocks:
    """The cpufreq policies.

    Where the kernel throttles, scaling_max_freq shows the lower of its own cap and what was
    written there; a firmware that throttles shows in scaling_cur_freq alone.
    """

    sensors = NO_SENSORS

    def __init__(self, folders: Folders, shape: Shape) -> None:
        self._shape = shape
        cpu = folders.sysfs / "devices" / "system" / "cpu"
        everyone = f"0-{shape.cores - 1}"
        folders.write(cpu, {"online": everyone, "present": everyone, "possible": everyone})
        self._policies = [self._policy(folders, cores) for cores in shape.policies]

    def limits_hz(self) -> tuple[float, ...]:
        """What others have written to scaling_max_freq, by policy, within what is possible."""
        for policy in self._policies:
            khz = policy.top.taken()
            if khz is not None:
                low, top = self._shape.steps_hz[-1], self._shape.top_hz
                policy.limit_hz = min(top, max(low, khz * 1e3))
        return tuple(policy.limit_hz for policy in self._policies)

    def show(self, state: State, faults: Mapping[str, str]) -> None:
        """Bring clocks and limits up to date."""
        cap_hz = self._shape.top_hz if self._shape.firmware_throttles else state.cap_hz
        for policy, clock_hz in zip(self._policies, state.clocks_hz, strict=True):
            policy.now.put(str(round(clock_hz / 1e3)))
            policy.top.put(str(round(min(policy.limit_hz, cap_hz) / 1e3)))

    def _policy(self, folders: Folders, cores: tuple[int, ...]) -> _Policy:
        steps = [round(hz / 1e3) for hz in self._shape.steps_hz]
        cpufreq = folders.sysfs / "devices" / "system" / "cpu" / "cpufreq"
        names = " ".join(str(core) for core in cores)
        folder = folders.write(
            cpufreq / f"policy{cores[0]}",
            {
                "related_cpus": names,
                "affected_cpus": names,
                "cpuinfo_max_freq": steps[0],
                "cpuinfo_min_freq": steps[-1],
                "scaling_min_freq": steps[-1],
                "scaling_available_frequencies": " ".join(str(khz) for khz in reversed(steps)),
                "scaling_governor": "schedutil",
            },
        )
        now, top = Gauge(folder / "scaling_cur_freq"), Gauge(folder / "scaling_max_freq")
        return _Policy(now, top, self._shape.top_hz)


def gpu_clocks(folders: Folders, shape: Shape) -> None:
    """The GPU's devfreq devices, which stand at their idle clock: the engine runs on the CPU."""
    gpu = shape.board.gpu
    top_hz = round(gpu.max_hz) if gpu is not None and gpu.max_hz else 1_000_000_000
    for name in shape.prior.gpus:
        files = {"cur_freq": _GPU_IDLE_HZ, "min_freq": _GPU_IDLE_HZ, "max_freq": top_hz}
        folders.write(folders.sysfs / "class" / "devfreq" / name, files)
