"""Settings that the governor compares and chooses, and the load that the engine makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_rt.core.limits import ClockSteps, Observation

LOW_CLOCK = 0.05  # least share of the top clock that models take, so that its logarithm is finite
_MOST = 6  # clocks from all over the range that are compared
_LOWEST = 0.35  # share of the top clock, below which rest costs more than lower voltage saves
_ALIKE = 0.02  # share of the top clock; clocks that differ by less are equal: kernels round them


@dataclass(frozen=True)
class EngineSetting:
    """Threads and the highest clocks, as shares of the top ones.

    `gpu` is None while no layers of a model are on a GPU.
    """

    threads: int
    cpu: float = 1.0
    gpu: float | None = None


@dataclass(frozen=True)
class BoardLoad:
    """The load of the board over some time, as shares of that time.

    `busy` is the share for which the engine computed: with all of its threads, or on the GPU if
    `setting` has one. `prompt_share` is the share of `busy` that read prompts. `coarse` is the
    length of a pass over that of the look, at most 1: it tells how uneven power is within the
    look. `intensity` is the share of a pass for which a thread computes. Other programs kept
    `cores` busy, and the GPU for the share `gpu`. `awake`: something worked so lately that clocks
    are still up.
    """

    setting: EngineSetting
    busy: float
    prompt_share: float = 0.0
    cores: float = 0.0
    gpu: float = 0.0
    coarse: float = 0.0
    intensity: float = 1.0
    awake: bool = True


@dataclass(frozen=True)
class WorkMix:
    """The mix of the present work.

    `prompt_share` is the share of the engine's busy time that reads prompts. The intensities are
    the shares of a pass for which a thread computes, in decoding and in reading prompts.
    """

    prompt_share: float = 0.0
    intensity: float = 1.0
    prompt_intensity: float = 1.0
    pass_s: float = 0.0  # of a pass that only decodes; 0: not known yet
    prompt_pass_s: float = 0.0


class ClockRange:
    """Clocks as shares of the top one, and the settings that are next to the present one."""

    def __init__(self, steps: ClockSteps) -> None:
        self.steps = steps
        self._cpu_hz, self._gpu_hz = steps.cpu_hz, steps.gpu_hz
        self._cpu, self._gpu = _shares(steps.cpu_hz), _shares(steps.gpu_hz)

    def seen(self, seen: Observation, threads: int) -> EngineSetting:
        """Return the setting in force, from the clocks that were read back."""
        gpu = None if seen.gpu_s is None else _share(seen.gpu_hz, self._gpu_hz)
        return EngineSetting(threads, _share(seen.cpu_hz, self._cpu_hz), gpu)

    def around(self, present: EngineSetting, least: int, most: int) -> Iterator[EngineSetting]:
        """Yield settings of `least` to `most` threads to compare with the `present` one.

        All thread counts at the present clock, and other clocks at the present thread count and
        its neighbours.
        """
        if present.gpu is not None:  # threads hardly matter for a model on the GPU
            for gpu in _near(present.gpu, self._gpu, self._gpu_hz):
                yield EngineSetting(most, 1.0, gpu)
            return
        count = min(max(present.threads, least), most)
        for threads in range(least, most + 1):
            if threads != count:
                yield EngineSetting(threads, present.cpu)
        for threads in range(max(least, count - 1), min(most, count + 1) + 1):
            for cpu in _near(present.cpu, self._cpu, self._cpu_hz):
                if threads == count or cpu != present.cpu:
                    yield EngineSetting(threads, cpu)

    def least(self, seen: Observation) -> EngineSetting:
        """Return the setting that draws least among the usual ones."""
        return (
            EngineSetting(1, self._cpu[0])
            if seen.gpu_s is None
            else EngineSetting(1, 1.0, self._gpu[0])
        )

    def cpu_hz(self, setting: EngineSetting) -> float | None:
        """Return the CPU's clock to set; None: it may not be changed."""
        return _hz(setting.cpu, self._cpu_hz)

    def slowed_hz(self, setting: EngineSetting) -> float | None:
        """Return the clock of `setting` if that is below the top one; else None."""
        if setting.gpu is not None:
            return None if setting.gpu >= 1.0 else self.gpu_hz(setting)
        return None if setting.cpu >= 1.0 else self.cpu_hz(setting)

    def gpu_hz(self, setting: EngineSetting) -> float | None:
        """Return the GPU's clock to set: the top one while no layers are on it.

        None: leave it alone.
        """
        return _hz(1.0 if setting.gpu is None else setting.gpu, self._gpu_hz)


def _shares(steps_hz: Sequence[float]) -> tuple[float, ...]:
    """Return at most _MOST evenly spread steps, as shares of the top one, that one included."""
    if not steps_hz:
        return (1.0,)
    able = [hz / steps_hz[-1] for hz in steps_hz if hz >= _LOWEST * steps_hz[-1]]
    if len(able) > _MOST:
        able = [able[round(k * (len(able) - 1) / (_MOST - 1))] for k in range(_MOST)]
    return tuple(able)


def _near(present: float, spread: Sequence[float], steps_hz: Sequence[float]) -> list[float]:
    """Return a few clocks from all over the range, and the steps beside the present one."""
    steps = [hz / steps_hz[-1] for hz in steps_hz] or [1.0]
    place = min(range(len(steps)), key=lambda k: abs(steps[k] - present))
    return sorted({*spread, *steps[max(0, place - 1) : place + 2]})


def _share(hz: float | None, steps_hz: Sequence[float]) -> float:
    """`hz` as a share of the top clock, rounded to a step that is near."""
    if hz is None or not steps_hz:
        return 1.0
    near_hz = min(steps_hz, key=lambda step_hz: abs(step_hz - hz))
    return (near_hz if abs(near_hz - hz) < _ALIKE * steps_hz[-1] else hz) / steps_hz[-1]


def _hz(share: float, steps_hz: Sequence[float]) -> float | None:
    if not steps_hz:
        return None
    return min(steps_hz, key=lambda hz: abs(hz - share * steps_hz[-1]))
