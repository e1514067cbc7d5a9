"""From what is seen to what is allowed."""

from __future__ import annotations

import dataclasses
import math

from edge_rt.governor.budget import Budget
from edge_rt.governor.choice import Choice, choose, options
from edge_rt.governor.guard import GuardState
from edge_rt.governor.heat import HeatAllowance, Thermal, cools_in_s
from edge_rt.governor.limits import BoundBy, Limits, Observation
from edge_rt.governor.pace import Pace
from edge_rt.governor.power import PowerModel
from edge_rt.governor.priors import Priors
from edge_rt.governor.report import Report
from edge_rt.governor.sacrifice import Sacrifices
from edge_rt.governor.settings import Settings
from edge_rt.governor.spend import Spend, spend
from edge_rt.governor.threads import ThreadChooser
from edge_rt.governor.window import PowerWindow

_GAP_S = 3.0  # nothing is learnt from a longer time between two looks
_CONTENTION_S = 0.5  # others' cores are looked at as often
_RIPPLE = 0.02  # of the cap may a pass and its rest make a window uneven
_PASS_S = (0.05, 0.5)  # shortest and longest pass that reads a prompt
_SHORT = 8  # tokens of a prompt in the shortest piece
_NEAR_C = 1.0  # below the evacuation threshold heat is kept by pacing
_RETRY_S = 10.0  # where nobody can tell how long it takes


class Governor:
    """Keeps a board within a budget: told what is seen a few times a second, it answers limits.

    It has no clock, file or task of its own: `step` is to be called about five times a second
    with what was seen since the last call, and its limits are to be obeyed until the next. It
    tells `thermal` itself what is seen.

    Every constraint becomes an allowance in watts; of the thread counts and duties whose
    predicted power stays within the least of them, the one with the most tokens a second is
    chosen. Predictions are corrected by what is measured, so that nothing winds up.
    """

    def __init__(
        self,
        cores: int,
        budget: Budget,
        thermal: Thermal | None,
        priors: Priors,
        settings: Settings,
    ) -> None:
        """`cores` is the most threads that may be used."""
        self.budget = budget  # may be replaced at any time; holds from the next step on
        self.limits = Limits(cores)
        self.report = Report()
        self._cores, self._thermal, self._settings = cores, thermal, settings
        self._chooser = ThreadChooser(cores)
        self._others: list[tuple[float, float]] = []
        self._power = PowerModel(cores, priors)
        self._window = PowerWindow()
        self._pace = Pace(cores, priors)
        self._guard = GuardState(settings)
        self._heat = HeatAllowance(settings.horizon_s)
        self._sacrifices = Sacrifices(settings.order, settings.floor_duty)
        self._planned_w = math.inf
        self._cpu_sum = self._busy_sum = 0.0
        self._drawn_w = 0.0
        self._threads = cores

    def step(self, seen: Observation) -> Limits:
        """The limits from now on; also in `limits`, and the reasons in `report`."""
        if 0.0 < seen.dt_s <= _GAP_S:
            self._learn(seen)
        guard = self._guard.update(seen.temp_c, seen.trip_c)
        energy = spend(self.budget, seen.supply_j, seen.period_left_s, self._power.idle_w)
        allowances = self._allowances(seen, energy)
        bound_by = min(allowances, key=lambda name: allowances[name], default=None)
        choice = self._choice(seen, allowances)
        self._planned_w = choice.power_w
        self.limits = Limits(
            choice.threads,
            choice.duty,
            guard=guard,
            bound_by=bound_by,
            prefill_chunk=self._chunk(choice),
            allowance_w=allowances[bound_by] if bound_by else None,
        )
        return self.limits

    # --- learning

    def _learn(self, seen: Observation) -> None:
        power, dt_s = self._power, seen.dt_s
        busy_s = self._utilised_s(seen)
        power.learn(dt_s, seen.threads, busy_s, seen.power_w)
        self._drawn_w = power.power_w(seen.threads, busy_s / dt_s)
        if self.budget.power_w is not None:
            self._window.add(dt_s, self._drawn_w, self._planned_w, self.budget.power_window_s)
        if self._thermal is not None:
            drawn_w = self._drawn_w if seen.power_w is None else seen.power_w
            self._thermal.observe(seen.time_s, seen.temp_c, drawn_w, seen.fan)
        self._pace.look(seen)
        self._contend(seen)

    def _utilised_s(self, seen: Observation) -> float:
        """Seconds for which all threads computed. CPU time tells of passes under way as well."""
        if seen.cpu_s is None:
            return min(seen.busy_s, seen.dt_s)
        busy_s = min(seen.cpu_s / seen.threads, seen.dt_s)
        self._cpu_sum = 0.98 * self._cpu_sum + busy_s
        self._busy_sum = 0.98 * self._busy_sum + seen.busy_s
        return busy_s

    @property
    def _intensity(self) -> float:
        """How busy a thread is within a pass."""
        return min(1.0, max(0.5, self._cpu_sum / self._busy_sum)) if self._busy_sum > 0.5 else 1.0

    def _contend(self, seen: Observation) -> None:
        if seen.others is None:
            return
        self._others.append((seen.dt_s, seen.others))
        seconds = sum(dt_s for dt_s, _ in self._others)
        if seconds >= _CONTENTION_S - 0.05:
            self._chooser.update(sum(dt_s * cores for dt_s, cores in self._others) / seconds)
            self._others.clear()

    # --- allowances

    def _allowances(self, seen: Observation, energy: Spend | None) -> dict[BoundBy, float]:
        found: dict[BoundBy, float] = {}
        budget = self.budget
        if budget.power_w is not None:
            margin_w = self._window.margin_w(budget.power_w)
            found["power_w"] = budget.power_w - margin_w
        heat_w = self._heat.update(
            seen.dt_s,
            self._thermal,
            seen.temp_c,
            self._limit_c(seen),
            self._power.idle_w,
            self._power.power_w(self._cores, 1.0),
        )
        if heat_w is not None:
            found["temp_c"] = heat_w
        if energy is not None:
            found["energy_j"] = energy.power_w
        return found

    def _limit_c(self, seen: Observation) -> float | None:
        limits = [] if self.budget.temp_c is None else [self.budget.temp_c]
        if seen.trip_c is not None:
            limits.append(self._guard.thresholds_c(seen.trip_c)[-1] - _NEAR_C)
        return min(limits, default=None)

    # --- choice

    def _choice(self, seen: Observation, allowances: dict[BoundBy, float]) -> Choice:
        budget = self.budget
        aim_w = min(allowances.values(), default=None)
        peak_w = None if budget.power_w is None else budget.power_w * budget.peak_ratio
        found = options(
            self._chooser.threads, self._power, self._pace.speed, aim_w, peak_w, self._intensity
        )
        best = choose(found, self._threads)
        self._threads = best.threads
        trial = self._pace.trial(found, best, seen)
        chosen = trial or best
        if budget.power_w is not None:
            margin_w = self._window.margin_w(budget.power_w)
            room_w = self._window.room_w(budget.power_w - margin_w / 2, budget.power_window_s, 0.2)
            if room_w < chosen.power_w:
                duty = max(
                    0.02,
                    min(
                        chosen.duty,
                        self._power.utilisation(chosen.threads, room_w) / self._intensity,
                    ),
                )
                chosen = dataclasses.replace(chosen, duty=duty)
        return chosen

    def _chunk(self, choice: Choice) -> int | None:
        if choice.duty >= 0.99:
            return None
        pass_s = _PASS_S[-1]
        if self.budget.power_w is not None:
            uneven_w = (1.0 - choice.duty) * self._power.draw_w(choice.threads)
            pass_s = _RIPPLE * self.budget.power_w * self.budget.power_window_s / uneven_w
        rate = self._pace.prompt_rate or 32.0 / _PASS_S[0]
        return max(_SHORT, int(rate * min(max(pass_s, _PASS_S[0]), _PASS_S[1])))
