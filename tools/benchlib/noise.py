"""How quiet the machine was: a fixed spin on every core, CPU time of others, steal."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchlib.stats import spread

SPREAD_LIMIT = 0.10  # of the spin on one core, over the whole run
OTHERS_LIMIT = 0.20  # cores that other processes may use
_LOOPS = 1_000_000
_LOOK_S = 1.0  # at the CPU time of others, in one go


@dataclass(frozen=True)
class CpuTimes:
    """Seconds that all cores together were busy, and that the hypervisor kept from them."""

    busy_s: float
    steal_s: float


@dataclass(frozen=True)
class Sample:
    """The noise around one round. Cores of others are means over the time named."""

    label: str
    spin_s: dict[int, float]  # core -> seconds of the fixed spin
    others_before: float  # cores, right before the round, while nothing of ours ran
    others_during: float  # cores, during the round, after what ours used is taken off
    steal: float  # cores, during the round


def cpu_times(stat: Path = Path("/proc/stat"), hertz: int | None = None) -> CpuTimes:
    """The first line of `stat`. Guest time is part of user time there; waiting is not busy."""
    ticks = [int(word) for word in stat.read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (*ticks, *[0] * 8)[:8]
    per_second = hertz or os.sysconf("SC_CLK_TCK")
    return CpuTimes((user + nice + system + irq + softirq) / per_second, steal / per_second)


def spin_seconds(loops: int = _LOOPS, clock: Callable[[], float] = time.perf_counter) -> float:
    """Wall time of a fixed piece of work, the middle of three goes."""
    return statistics.median(_spin(loops, clock) for _ in range(3))


def spin_cores(spin: Callable[[], float] = spin_seconds) -> dict[int, float]:
    """The spin on every core that this process may use, one after the other."""
    allowed = os.sched_getaffinity(0)
    try:
        return {core: _pinned(core, spin) for core in sorted(allowed)}
    finally:
        os.sched_setaffinity(0, allowed)


def busy_cores(before: CpuTimes, after: CpuTimes, elapsed_s: float, own_s: float = 0.0) -> float:
    """Cores that were busy, less the CPU seconds `own_s` that are accounted for; never below 0."""
    return max(0.0, (after.busy_s - before.busy_s - own_s) / elapsed_s)


class Watch:
    """Takes the Sample of one round: made right before the round, finished right after it.

    Waits until others use less than OTHERS_LIMIT, at most `patience_s`, and goes on all the same.
    """

    def __init__(
        self,
        label: str,
        patience_s: float,
        times: Callable[[], CpuTimes] = cpu_times,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._label, self._times, self._clock = label, times, clock
        end = clock() + patience_s
        self._before = self._others(sleep)
        while self._before > OTHERS_LIMIT and clock() < end:
            self._before = self._others(sleep)
        self._spin = spin_cores()
        self._start, self._start_s = times(), clock()

    def finish(self, own_s: float) -> Sample:
        """The Sample; `own_s` is the CPU time that the benchmark and its servers used since."""
        now, elapsed_s = self._times(), self._clock() - self._start_s
        return Sample(
            label=self._label,
            spin_s=self._spin,
            others_before=self._before,
            others_during=busy_cores(self._start, now, elapsed_s, own_s),
            steal=(now.steal_s - self._start.steal_s) / elapsed_s,
        )

    def _others(self, sleep: Callable[[float], None]) -> float:
        before, start_s = self._times(), self._clock()
        sleep(_LOOK_S)
        return busy_cores(before, self._times(), self._clock() - start_s)


@dataclass(frozen=True)
class Verdict:
    """Whether the machine was noisy, and what showed it."""

    noisy: bool
    spin_spread: float  # the worst core's
    others_max: float
    steal_max: float
    noisy_rounds: list[str]


def judge(samples: Sequence[Sample]) -> Verdict:
    """Classify `samples` by the limits above.

    A core is only compared with itself, since a board may have fast and slow ones. A round is
    noisy when its spin exceeds the core's best by SPREAD_LIMIT or others used OTHERS_LIMIT.
    """
    best = _best(samples)
    noisy = [s.label for s in samples if _is_noisy(s, best)]
    return Verdict(
        noisy=bool(noisy),
        spin_spread=max((spread(_of_core(samples, core)) for core in best), default=0.0),
        others_max=max((max(s.others_before, s.others_during) for s in samples), default=0.0),
        steal_max=max((s.steal for s in samples), default=0.0),
        noisy_rounds=noisy,
    )


def as_json(samples: Sequence[Sample]) -> dict[str, object]:
    """The verdict, the limits behind it and every sample, as plain values."""
    limits = {"spin_spread": SPREAD_LIMIT, "others_cores": OTHERS_LIMIT}
    rounds = [asdict(sample) for sample in samples]
    return {**asdict(judge(samples)), "limits": limits, "rounds": rounds}


def _spin(loops: int, clock: Callable[[], float]) -> float:
    start, value = clock(), 0
    for step in range(loops):
        value ^= step
    return clock() - start


def _pinned(core: int, spin: Callable[[], float]) -> float:
    os.sched_setaffinity(0, {core})
    return spin()


def _of_core(samples: Sequence[Sample], core: int) -> list[float]:
    return [sample.spin_s[core] for sample in samples if core in sample.spin_s]


def _best(samples: Sequence[Sample]) -> dict[int, float]:
    cores = sorted({core for sample in samples for core in sample.spin_s})
    return {core: min(_of_core(samples, core)) for core in cores}


def _is_noisy(sample: Sample, best: dict[int, float]) -> bool:
    slow = any(spin > best[core] * (1 + SPREAD_LIMIT) for core, spin in sample.spin_s.items())
    busy = max(sample.others_before, sample.others_during) > OTHERS_LIMIT
    return slow or busy or sample.steal > OTHERS_LIMIT
