"""Clocks, which others may limit, thermal zones, cooling devices and fans of a simulated board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_rt.config.board import Zone
from edge_rt.twin.components import GpuState
from edge_rt.twin.filesystem import Folders, NumberFile, ShownFile
from edge_rt.twin.plant import PlantState
from edge_rt.twin.shape import Shape

_RPM = 8000  # at full speed
_PMIC_C = 100.0  # what the zone of a Jetson's regulators always shows
_ACPI_CRITICAL_C = 119.0
_OF_THE_CHIP = ("cpu-thermal", "tj-thermal", "CPU-therm", "x86_pkg_temp")
_OF_THE_GPU = ("gpu-thermal", "GPU-therm")
_OF_THE_BOARD = ("tboard-thermal", "thermal-fan-est", "acpitz")


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

    def __init__(self, folders: Folders, shape: Shape) -> None:
        self._shape = shape
        cpu = folders.sysfs / "devices" / "system" / "cpu"
        everyone = f"0-{shape.cores - 1}"
        folders.write(cpu, {"online": everyone, "present": everyone, "possible": everyone})
        self._policies = [self._policy(folders, cores) for cores in shape.policies]

    def limits_hz(self) -> tuple[float, ...]:
        """Return what others have set as scaling_max_freq, by policy, within its bounds."""
        for policy in self._policies:
            khz = policy.top.taken()
            if khz is not None:
                low, top = self._shape.steps_hz[-1], self._shape.top_hz
                policy.limit_hz = min(top, max(low, khz * 1e3))
        return tuple(policy.limit_hz for policy in self._policies)

    def files(self) -> Iterator[ShownFile]:
        """Yield the clock and the limit of each policy."""
        for number, policy in enumerate(self._policies):
            yield ShownFile(policy.now, partial(self._now_khz, number))
            yield ShownFile(policy.top, partial(self._top_khz, policy))

    def _now_khz(self, number: int, state: PlantState) -> float:
        return state.clocks_hz[number] / 1e3

    def _top_khz(self, policy: _Policy, state: PlantState) -> float:
        cap_hz = self._shape.top_hz if self._shape.firmware_throttles else state.cap_hz
        return min(policy.limit_hz, cap_hz) / 1e3

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
    """The GPU's devfreq device, and its load where the driver tells that."""

    def __init__(self, folders: Folders, shape: Shape) -> None:
        prior, self._steps_hz = shape.prior.gpu, shape.gpu_steps_hz
        self._limit_hz = self._steps_hz[0]
        folder = self._device(folders, prior.folder, prior.device)
        self._now, self._top = NumberFile(folder / "cur_freq"), NumberFile(folder / "max_freq")
        self._load = NumberFile(folder.parents[1] / "load") if prior.tells_load else None

    def limit_hz(self) -> float:
        """Return what others have written to max_freq, within what is possible."""
        hz = self._top.taken()
        if hz is not None:
            self._limit_hz = min(self._steps_hz[0], max(self._steps_hz[-1], float(hz)))
        return self._limit_hz

    def files(self) -> Iterator[ShownFile]:
        """Yield clock, limit and load; max_freq is the kernel's own cap if lower."""
        yield ShownFile(self._now, lambda state: _gpu_of(state).clock_hz)
        yield ShownFile(self._top, lambda state: min(self._limit_hz, _gpu_of(state).cap_hz))
        if self._load is not None:
            yield ShownFile(self._load, lambda state: 1000 * _gpu_of(state).load)

    def _device(self, folders: Folders, base: str, name: str) -> Path:
        """Return the devfreq folder of a device, which its own folder is linked from."""
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


def zones(folders: Folders, shape: Shape, nearness: float) -> Iterator[ShownFile]:
    """Show the temperature of each zone in the profile, in the steps of the board's sensors.

    Gated zones refuse to be read: nothing works there, unless it is the GPU that is switched on.
    The busier the GPU, the nearer is its zone to the hottest. For `nearness` see
    `Parameters.zone_nearness`.
    """
    step_c = shape.prior.zone_step_c

    def temp_mc(name: str, zone: Zone | None, state: PlantState) -> float | None:
        if zone is not None and zone.gated and not _gpu_on(name, state):
            return None
        return round(_temp_c(name, zone, nearness, state) / step_c) * step_c * 1e3

    for name, zone in (shape.board.thermal.zones or {"cpu-thermal": None}).items():
        folder = folders.write(folders.numbered("thermal_zone"), {"type": name})
        folders.write(folder, dict(_trips(shape, name)))
        yield ShownFile(NumberFile(folder / "temp"), partial(temp_mc, name, zone))


def _temp_c(name: str, zone: Zone | None, nearness: float, state: PlantState) -> float:
    around_c = state.temps_c[min(1, len(state.temps_c) - 1)]
    if zone is not None and zone.ignored:
        return _PMIC_C
    if name in _OF_THE_CHIP or (zone is not None and zone.hottest):
        return state.chip_c
    nearness = 0.0 if name in _OF_THE_BOARD else nearness
    if name in _OF_THE_GPU and state.gpu is not None:
        nearness += (1.0 - nearness) * state.gpu.load
    return around_c + nearness * (state.chip_c - around_c)


def _gpu_of(state: PlantState) -> GpuState:
    assert state.gpu is not None
    return state.gpu


def _gpu_on(zone: str, state: PlantState) -> bool:
    return zone in _OF_THE_GPU and state.gpu is not None and state.gpu.on


def _trips(shape: Shape, zone: str) -> Iterator[tuple[str, object]]:
    for number, (kind, temp_c, slack_c) in enumerate(_points(shape, zone)):
        stem = f"trip_point_{number}"
        yield f"{stem}_type", kind
        yield f"{stem}_temp", round(temp_c * 1e3)
        yield f"{stem}_hyst", round(slack_c * 1e3)


def _points(shape: Shape, zone: str) -> Iterator[tuple[str, float, float]]:
    """Kind, temperature and hysteresis; a firmware that throttles keeps its own to itself."""
    if zone == "acpitz":
        yield "critical", _ACPI_CRITICAL_C, 0.0
    elif zone == "x86_pkg_temp":
        yield "passive", 0.0, 0.0  # for users to set; the package throttles by itself
    elif zone in _OF_THE_CHIP:
        if not shape.firmware_throttles:
            yield "passive", shape.throttle_c, shape.hysteresis_c
        if shape.hot_c is not None and not shape.firmware_throttles:
            yield "hot", shape.hot_c, 0.0
        yield "critical", shape.critical_c, 0.0
        if zone == "cpu-thermal":
            yield from (("active", temp_c, shape.hysteresis_c) for temp_c, _ in shape.fan_points)


def cooling(folders: Folders, shape: Shape) -> Iterator[ShownFile]:
    """Show the states of cooling devices: the clock's, where the kernel has it, and the fan's."""
    lowest, points = len(shape.steps_hz) - 1, len(shape.fan_points)
    kernel = not shape.firmware_throttles
    if kernel and points:
        alert = _device(folders, "cpu-throttle-alert", 1)
        yield ShownFile(alert, lambda state: state.throttle_state > 0)
    if kernel:
        clock = _device(folders, "cpufreq-cpu0", lowest)
        yield ShownFile(clock, lambda state: state.throttle_state)
    if points:
        yield ShownFile(_device(folders, "pwm-fan", points), lambda state: state.fan_state)


def _device(folders: Folders, kind: str, top: int) -> NumberFile:
    folder = folders.write(folders.numbered("cooling_device"), {"type": kind, "max_state": top})
    return NumberFile(folder / "cur_state")


def fan_files(folders: Folders, *, jetson: bool) -> Iterator[ShownFile]:
    """Show how hard the fan is driven and how fast it turns; a Jetson has two devices for that.

    A fan that failed is driven and stands still.
    """
    driver = folders.hwmon("pwmfan", {"pwm1_enable": 1})
    speed = folders.hwmon("pwm_tach", {}) / "rpm" if jetson else driver / "fan1_input"
    yield ShownFile(NumberFile(driver / "pwm1"), lambda state: state.fan_duty * 255)
    yield ShownFile(NumberFile(speed), lambda state: state.fan_works * state.fan_duty * _RPM)
