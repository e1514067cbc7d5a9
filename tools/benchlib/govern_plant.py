"""The governor on the second plant: what it makes of each case.

The plant shares no equation with the governor, except for the power of a board without a sensor
(pi4): there the cap is kept, and judged, in the watts that the product models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from benchlib.plant_best import Constants
from benchlib.plant_cache import Kept, Values
from benchlib.plant_cases import FAULTS, NO_CLOCKS, Case, clock_steps, disturbed, scene_of
from benchlib.plant_load import NOBODY, Program
from benchlib.plant_rival import Oracle, Rival
from benchlib.plant_run import Scene, simulate
from benchlib.trace import STEP_S, Trace, steps, window_means
from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import ClockSteps
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior

_CALM_S = 0.5  # time under the cap after which a step of others is over
_GRACE_S = 1.5  # time that windows may take to exceed the cap after a step
_FAR = 1.05  # times the cap
_DRAWS = 0.97  # of the cap, by the best constant setting where the load allows it


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case: figures by name, and one line for people.

    - ok, worst, mean: windows within the cap, the worst of them and mean power, over the cap
    - used: the mean, where the best constant setting draws nearly all of the cap
    - tokens: over those of the best constant setting
    - rival: over those of the integral controller with an oracle
    - step_s: time over the cap after a step of others
    - far_s: longest time of windows above 1.05 times the cap
    - refused: share of the looks at which requests were not admitted
    """

    case: Case
    values: Mapping[str, float] = field(default_factory=dict[str, float])
    line: str = ""


def evaluate(group: Sequence[Case], seconds: float, folder: Path | None = None) -> list[Outcome]:
    """Run all caps of one scene; results without a governor are kept in `folder`."""
    constants = Constants(scene_of(group[0], seconds))
    kept = Kept(folder, f"{group[0].scene} {seconds} s")
    found = [Judged(case, constants, kept).outcome() for case in group]
    kept.write()
    return found


class Judged:
    """One case under the governor, its best constant setting and its rival."""

    def __init__(self, case: Case, constants: Constants, kept: Kept) -> None:
        self.case, self.constants, self._kept = case, constants, kept
        self.cap_w = case.cap * constants.full_w
        self.scene = disturbed(case, constants.scene, constants.full, constants.full_w)

    def outcome(self) -> Outcome:
        """Return all figures of the case."""
        case, values = self.case, self.governed()
        line = f"{case.label}: {_told(values, self.cap_w)}"
        if (best := self.best()) is not None:
            values["tokens"] = values["work"] / best["work"]
            if best["mean"] >= _DRAWS and not self.scene.work.pause_s:
                values["used"] = values["mean"]
            line += f"; {values['tokens']:.3f} of {best['threads']:.0f} threads"
            line += f" at {best['clock']:.2f}, {best['duty']:.1%} of the time"
            line += f", mean {best['mean']:.3f}"
        if (rival := self.rival(values["ok"])) is not None:
            values["rival"] = values["work"] / rival.values["work"]
            line += f"; {values['rival']:.3f} of the rival's with {rival.threads} threads, aim"
            line += f" {rival.aim:.2f}, {rival.values['ok']:.2%}, mean {rival.values['mean']:.3f}"
        if "step_s" in values:
            line += f"; back {values['step_s']:.1f} s after a step"
        if "far_s" in values:
            line += f"; far over for {values['far_s']:.1f} s, {values['refused']:.1%} refused"
        return Outcome(case, values, line)

    def governed(self) -> dict[str, float]:
        """The figures of the governor alone."""
        case, constants, scene = self.case, self.constants, self.scene
        budget = BudgetConfig(power_w=self.cap_w, power_window_s=case.window_s)
        governor = governor_of(scene, budget, clock_steps(scene) if case.knob else NO_CLOCKS)
        trace = simulate(scene, governor.step)
        values = constants.kept(trace, self.cap_w, case.judged_s)
        values["work"] = constants.work(trace)
        if case.variation.hidden:
            begin_s, program = constants.begin_s, scene.program
            values["step_s"] = step_s(trace, self.cap_w, begin_s, case.judged_s, program)
        if case.part in FAULTS:
            values["far_s"] = far_s(trace, self.cap_w, constants.begin_s, case.judged_s)
            shut = [one for one in trace.limits if one.admission != "open"]
            values["refused"] = len(shut) / len(trace.limits)
        return values

    def best(self) -> Values | None:
        """The best constant setting and its work; None where none keeps the cap.

        And beside other programs and faults, which no constant setting answers.
        """
        case, top_hz = self.case, self.case.kind.steps_hz[-1]
        if case.variation.hidden or case.part in FAULTS:
            return None

        def make() -> Values | None:
            found = self.constants.best(self.cap_w, case.judged_s, case.knob)
            if found is None:
                return None
            one = found.setting
            mean_w = self.constants.trace(one).mean_w(self.constants.begin_s)
            return {
                "work": found.work_per_s,
                "mean": mean_w / self.cap_w,
                "threads": one.threads,
                "clock": (one.clock_hz or top_hz) / top_hz,
                "duty": one.duty,
            }

        return self._kept.get(f"{case.label} best", make)

    def rival(self, ok: float) -> Rival | None:
        """The best integral controller that keeps as many windows; None with clocks or faults."""
        case = self.case
        if case.knob or case.part in FAULTS or case.variation.on_gpu:
            return None
        oracle = Oracle(self.constants, self.scene, self.cap_w, case.judged_s)
        return oracle.best(self._kept, case.label, ok)


def governor_of(scene: Scene, budget: BudgetConfig, clocks: ClockSteps = NO_CLOCKS) -> Governor:
    """A governor as the daemon makes it for a board that is new to it."""
    kind, profile = scene.figures.kind, scene.profile
    power, full = priors_of(profile), profile.draw.loaded_w
    loaded_w = power.idle_w + kind.cores * power.core_w if full is None else full.value
    heat = ThermalPrior.generic(loaded_w, fan=bool(kind.fan_points), idle_w=power.idle_w)
    return Governor(kind.cores, budget, ThermalModel(heat), power, GovernorConfig(), clocks)


def step_s(trace: Trace, cap_w: float, begin_s: float, window_s: float, program: Program) -> float:
    """The longest time from a step of others until windows are within the cap for good."""
    size = steps(window_s)
    over = [mean > cap_w * (1.0 + 1e-9) for mean in window_means(trace.power_w, size)]
    changes = [*program.others, (len(trace.power_w) * STEP_S, NOBODY)]
    longest = 0
    for (time_s, others), (next_s, _) in pairwise(changes):
        if others == NOBODY or time_s < begin_s:
            continue
        ends = range(steps(time_s), min(steps(next_s), len(over) + size - 1))
        longest = max(longest, _over_for([over[k + 1 - size] for k in ends if k + 1 >= size]))
    return longest * STEP_S


def _over_for(over: Sequence[bool]) -> int:
    """Steps until the cap is exceeded for the last time before it is kept for half a second."""
    calm, last = steps(_CALM_S), 0
    for number, above in enumerate(over, 1):
        if above:
            last = number
        elif number - last >= calm + (0 if last else steps(_GRACE_S)):
            break
    return last


def far_s(trace: Trace, cap_w: float, begin_s: float, window_s: float) -> float:
    """The longest time for which windows stay above `_FAR` times the cap."""
    longest = now = 0
    for mean_w in trace.windows_w(begin_s, window_s):
        now = now + 1 if mean_w > _FAR * cap_w else 0
        longest = max(longest, now)
    return longest * STEP_S


def _told(values: Mapping[str, float], cap_w: float) -> str:
    return (
        f"{values['ok']:.2%} of windows within {cap_w:.2f} W,"
        f" worst {values['worst']:.3f}, mean {values['mean']:.3f}"
    )
