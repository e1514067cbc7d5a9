"""Leakage that is learnt again and again, from the moments in which the engine is idle."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge_rt.thermal.cooling import LeakageFit, Rejected, bin_of, calibrate
from edge_rt.thermal.curve import Idle
from edge_rt.thermal.drift import drift_w_per_s

MEMORY_S = 3600.0
WIDEST = 2.4  # of the doubling's interval, high by low: theory alone tells 13 to 31 K
_SLOTS = 6  # that the memory is divided into
_VISITS = 3  # to each half degree within a slot; more would tell nothing new
_VISIT_S = 10.0


@dataclass(frozen=True)
class _Visit:
    """Means over some seconds within one half degree."""

    begin_s: float
    count: int
    idle: Idle

    def joined(self, more: Idle) -> _Visit:
        """With one more reading."""
        count, old = self.count + 1, self.idle
        idle = Idle(
            old.temp_c + (more.temp_c - old.temp_c) / count,
            old.power_w + (more.power_w - old.power_w) / count,
            old.voltage + (more.voltage - old.voltage) / count,
        )
        return _Visit(self.begin_s, count, idle)

    def moved(self, drift_w_per_s: float, now_s: float) -> Idle:
        """What would be read now."""
        drift_w = drift_w_per_s * (now_s - self.begin_s)
        return replace(self.idle, power_w=max(0.0, self.idle.power_w + drift_w))


class LeakageTracker:
    """Remembers some visits to each half degree within the last hour, and fits when asked.

    So it holds some thousand numbers at most, however long it runs. What other programs add to
    idle power may drift. After QEIL v2, our method.
    """

    def __init__(self, memory_s: float = MEMORY_S) -> None:
        """What was read `memory_s` before the last reading is forgotten, a sixth at a time."""
        self.fit: LeakageFit | None = None  # the last one that was accepted
        self.rejection: str | None = None  # why the last attempt was rejected; None: it was not
        self._slot_s = memory_s / _SLOTS
        self._slot, self._last_s = 0, 0.0
        self._visits: dict[tuple[int, int], list[_Visit]] = {}  # by slot and half degree

    def feed(self, time_s: float, temp_c: float, power_w: float, voltage: float = 1.0) -> None:
        """One reading of an idle board, some seconds after the last work and about each second."""
        idle = Idle(temp_c, power_w, voltage)
        if not idle.possible:
            return
        self._turn(time_s)
        visits = self._visits.setdefault((self._slot, bin_of(temp_c)), [])
        if visits and 0.0 <= time_s - visits[-1].begin_s < _VISIT_S:
            visits[-1] = visits[-1].joined(idle)
        elif len(visits) < _VISITS:
            visits.append(_Visit(time_s, 1, idle))

    def samples(self) -> list[Idle]:
        """All visits, as if other programs had drawn all the time what they draw now."""
        bins: dict[int, list[_Visit]] = {}
        for (_, key), visits in self._visits.items():
            bins.setdefault(key, []).extend(visits)
        drift = drift_w_per_s([(v.begin_s, v.idle.power_w) for v in each] for each in bins.values())
        return [visit.moved(drift, self._last_s) for each in bins.values() for visit in each]

    def accept(self, found: LeakageFit | Rejected) -> None:
        """Take the outcome of `fitted`; where it is a rejection, the fit before stays."""
        if isinstance(found, Rejected):
            self.rejection = found.reason
        else:
            self.fit, self.rejection = found, None

    def refit(self) -> LeakageFit | Rejected:
        """Fit what is remembered, at once; `fitted` may be given to another thread instead."""
        found = fitted(self.samples())
        self.accept(found)
        return found

    def _turn(self, time_s: float) -> None:
        """Forget what is too old; time that runs backwards is a new start."""
        slot, self._last_s = math.floor(time_s / self._slot_s), time_s
        if slot != self._slot:
            self._slot = slot
            self._visits = {k: v for k, v in self._visits.items() if 0 <= slot - k[0] < _SLOTS}


def fitted(samples: Iterable[Idle]) -> LeakageFit | Rejected:
    """The leakage that `samples` tell; rejected as well where they tell too little."""
    found = calibrate(samples)
    if isinstance(found, LeakageFit) and found.doubling_high_c > WIDEST * found.doubling_low_c:
        return Rejected(
            f"the leakage may double each {found.doubling_low_c:.0f} K or each"
            f" {found.doubling_high_c:.0f} K: idle power at more temperatures is needed"
        )
    return found
