"""Clocks of a simulated board, which others may limit: cpufreq, and the GPU's devfreq."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_rt.twin.filesystem import NO_SENSORS, Folders, NumberFile
from edge_rt.twin.plant import PlantState
from edge_rt.twin.shape import Shape


@dataclass
class _Policy:
    now: NumberFile
    top: NumberFile
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

    def show(self, state: PlantState, faults: Mapping[str, str]) -> None:
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
        now, top = NumberFile(folder / "scaling_cur_freq"), NumberFile(folder / "scaling_max_freq")
        return _Policy(now, top, self._shape.top_hz)


class GpuClocks:
    """The GPU's devfreq devices, and its load where the driver tells that.

    The first device has the clock that work needs, the others stand still at the lowest.
    """

    sensors = NO_SENSORS

    def __init__(self, folders: Folders, shape: Shape) -> None:
        prior, self._steps_hz = shape.prior.gpu, shape.gpu_steps_hz
        self._limit_hz = self._steps_hz[0]
        device, *others = prior.devices
        folder = self._device(folders, prior.folder, device)
        self._now, self._top = NumberFile(folder / "cur_freq"), NumberFile(folder / "max_freq")
        self._load = NumberFile(folder.parents[1] / "load") if prior.tells_load else None
        for other in others:
            fixed = {"cur_freq": _whole(self._steps_hz[-1]), "max_freq": _whole(self._steps_hz[0])}
            folders.write(self._device(folders, prior.folder, other), fixed)

    def limit_hz(self) -> float:
        """What others have written to max_freq, within what is possible."""
        hz = self._top.taken()
        if hz is not None:
            self._limit_hz = min(self._steps_hz[0], max(self._steps_hz[-1], float(hz)))
        return self._limit_hz

    def show(self, state: PlantState, faults: Mapping[str, str]) -> None:
        """Bring clock, limit and load up to date; max_freq is the kernel's own cap if lower."""
        gpu = state.gpu
        if gpu is None:
            return
        self._now.put(_whole(gpu.clock_hz))
        self._top.put(_whole(min(self._limit_hz, gpu.cap_hz)))
        if self._load is not None:
            self._load.put(str(round(1000 * gpu.load)))

    def _device(self, folders: Folders, base: str, name: str) -> Path:
        """The devfreq folder of a device, which its own folder is linked from."""
        device = folders.sysfs / base / name
        steps = " ".join(_whole(hz) for hz in reversed(self._steps_hz))
        files = {
            "min_freq": _whole(self._steps_hz[-1]),
            "available_frequencies": steps,
            "governor": "nvhost_podgov",
        }
        folder = folders.write(device / "devfreq" / name, files)
        folders.link(folders.sysfs / "class" / "devfreq" / name, folder)
        folders.link(folder / "device", device)
        return folder


def _whole(hz: float) -> str:
    return str(round(hz))
