"""From what is seen to what is allowed."""

from __future__ import annotations

import dataclasses
from functools import partial

from edge_rt.governor.admit import Terms, terms
from edge_rt.governor.bounds import Bounds
from edge_rt.governor.budget import Budget
from edge_rt.governor.cap import Cap
from edge_rt.governor.choice import Choice, Chooser, choose, stopped
from edge_rt.governor.clean import clean
from edge_rt.governor.clocks import Clocks
from edge_rt.governor.guard import GuardState, Lead
from edge_rt.governor.heat import HeatAllowance, Thermal
from edge_rt.governor.limits import BoundBy, ClockSteps, Limits, Observation
from edge_rt.governor.pace import Pace
from edge_rt.governor.power import PowerModel
from edge_rt.governor.priors import Priors
from edge_rt.governor.rarely import Rarely
from edge_rt.governor.report import Ahead, Report, ahead
from edge_rt.governor.retry import retry_after_s
from edge_rt.governor.sacrifice import WELL, Sacrifices
from edge_rt.governor.setting import Load, Mix, Setting
from edge_rt.governor.settings import Settings
from edge_rt.governor.spend import spend
from edge_rt.governor.threads import Contention
from edge_rt.governor.usage import Usage
from edge_rt.governor.words import missing, subject, why
from edge_rt.thermal.hindsight import Hindsight

_SOON_S, _GAP_S = 0.01, 3.0  # shorter and longer times between two looks teach nothing
_NEAR_C = 0.5  # below the evacuation threshold heat is kept by pacing
_READS = 0.01  # of the time at work, from which on prompts are expected
_MEAN_S = 3.0  # over which the power is taken that a forecast goes on with


class Governor:
    """Keeps a board within a budget: told what is seen a few times a second, it answers limits.

    It has no clock, file or task of its own: `step` is to be called about five times a second
    with what was seen since the last call, and its limits are to be obeyed until the next. It
    tells `thermal` itself what is seen.

    Every constraint becomes an allowance in watts; of the threads, clocks and duties whose
    predicted power stays within the least of them, those with the most tokens a second are
    chosen. Predictions are corrected by what is measured, so that nothing winds up.
    """

    def __init__(
        self,
        cores: int,
        budget: Budget,
        thermal: Thermal | None,
        priors: Priors,
        settings: Settings,
        clocks: ClockSteps | None = None,
    ) -> None:
        """`cores` is the most threads that may be used, and `clocks` are those to choose
        from; None: they are left alone."""
        self.budget = budget  # may be replaced at any time; holds from the next step on
        self.fixed: int | None = None  # threads, in place of a choice; from the next step on
        self.smaller = True  # whether less of a model may answer; from the next step on
        self._kept: Budget = budget  # at the last step
        self.limits = Limits(cores)
        self.report = Report()
        self._cores, self._thermal, self._settings = cores, thermal, settings
        self._power, self._pace = PowerModel(cores, priors), Pace(cores, priors)
        self._contention, self._usage = Contention(cores), Usage()
        self._cap, self._heat = Cap(), HeatAllowance(settings.horizon_s)
        self._guard, self._lead = GuardState(settings), Lead()
        self._sacrifices = Sacrifices(settings.order, settings.floor_duty)
        self._weighed: Rarely[list[Choice]] = Rarely()  # which is much to work out
        self._retry: Rarely[float] = Rarely()
        self._ahead: Rarely[Ahead] = Rarely()
        self._hindsight = Hindsight(settings.horizon_s)
        self._mean_w = priors.idle_w  # drawn lately
        self.clocks = clocks or ClockSteps()  # to choose from; from the next step on
        self._clocks = Clocks(self.clocks)
        self._chosen = Setting(cores)
        self._told = Choice(self._chosen, 1.0, 1.0, 0.0, 0.0, (0.0, 0.0))
        self._told_idle_w = 0.0

    def step(self, seen: Observation) -> Limits:
        """The limits from now on; also in `limits`, and the reasons in `report`.

        Figures that make no sense count as not seen.
        """
        seen = clean(seen, self._cores)
        self._lead.look(seen)
        if self.clocks != self._clocks.steps:
            self._clocks, self._chosen = Clocks(self.clocks), Setting(self._chosen.threads)
        self._hindsight.look(seen.time_s, seen.temp_c)
        if _SOON_S <= seen.dt_s <= _GAP_S:
            self._learn(seen)
        bounds = self._bounds(seen)
        choice = self._choice(seen, bounds)
        least_duty = self._least_duty(seen, bounds)
        order = self._settings.order
        self._sacrifices.arrange([name for name in order if self.smaller or name != "model"])
        if self.budget != self._kept:
            self._kept = self.budget
            self._sacrifices.settle(least_duty)
        quiet = not seen.running and not seen.waiting
        self._sacrifices.update(min(seen.dt_s, _GAP_S), least_duty, quiet)
        guard = self._guard.update(seen.guarded_c, seen.trip_c, min(seen.dt_s, _GAP_S))
        on = terms(guard, self._sacrifices.made)
        if on.stopped:
            choice = stopped(choice, self._power.idle_w)
        self._told, self._told_idle_w = choice, self._power.idle_w
        self.limits = self._limits(seen, bounds, choice, on)
        self.report = self._report(seen, bounds, choice)
        return self.limits

    # --- learning

    def _learn(self, seen: Observation) -> None:
        power, usage, dt_s = self._power, self._usage, seen.dt_s
        used = usage.look(seen)
        at = self._clocks.seen(seen, used.threads)
        busy, coarse = min(1.0, used.busy_s / dt_s), self._coarse(dt_s)
        load = Load(at, busy, usage.reading, seen.others or 0.0, usage.gpu, coarse)
        power.learn(dt_s, load, seen.power_w, usage.behind_s)
        drawn = power.recent()
        self._mean_w += min(1.0, dt_s / _MEAN_S) * (drawn[-1] - self._mean_w)
        window_s = self.budget.power_window_s
        self._cap.look(dt_s, drawn, self._planned_w(), window_s, busy > 0.0, power.step_w)
        if self._thermal is not None:
            heats_w = drawn[-1] if seen.power_w is None else seen.power_w
            self._thermal.observe(seen.time_s, seen.temp_c, heats_w, seen.fan)
        self._contention.look(dt_s, seen.others)
        self._pace.look(seen, self._clocks.seen(seen, seen.threads), self._contention.threads)

    def _coarse(self, dt_s: float) -> float:
        """How long passes are beside a look."""
        pace = self._pace
        pass_s = pace.pass_s + self._usage.reading * (pace.prompt_pass_s - pace.pass_s)
        return min(1.0, pass_s / dt_s)

    def _planned_w(self) -> float:
        """What the limits in force had allowed for, beside all else that is drawn by now.

        What was kept free for the model's doubts is no mishap when it is drawn.
        """
        decode_w, prompt_w = self._told.planned_w
        planned_w = decode_w + self._usage.reading * (prompt_w - decode_w)
        return planned_w + self._power.idle_w - self._told_idle_w + self._cap.unsure_w

    def _ripple_w(self) -> float:
        """By how much the first pass of a prompt exceeds the mean of a window, before it rests."""
        pace, told = self._pace, self._told
        if pace.reading < _READS:
            return 0.0
        share = min(1.0, pace.prompt_pass_s / self.budget.power_window_s)
        return share * (1.0 - told.prompt_duty) * self._power.draw_w(told.setting, 1.0)

    # --- bounds

    def _bounds(self, seen: Observation) -> Bounds:
        found: dict[BoundBy, float] = {}
        unsure_w = self._power.present_unsure_w
        aims_w = self._cap.aims_w(self.budget, unsure_w, self._ripple_w())
        if aims_w is not None:
            found["power_w"] = aims_w[0]
        evacuate_c = self._evacuate_c(seen)
        limits = [] if evacuate_c is None else [evacuate_c - _NEAR_C]
        limits += [] if self.budget.temp_c is None else [self.budget.temp_c]
        limit_c = min(limits, default=None)
        idle_w, full_w = self._power.idle_w, self._power.power_w(Setting(self._cores), 1.0)
        heat_w = self._heat.update(seen, self._thermal, limit_c, idle_w, full_w)
        if heat_w is not None:
            found["temp_c"] = heat_w
        energy = spend(self.budget, seen.supply_j, seen.period_left_s, idle_w)
        if energy is not None:
            found["energy_j"] = energy.power_w
        return Bounds(found, energy, limit_c, aims_w and aims_w[1], self._cap.likely_w(self.budget))

    def _evacuate_c(self, seen: Observation) -> float | None:
        """Where the hottest zone is when everything stops."""
        if seen.trip_c is None:
            return None
        return self._guard.thresholds_c(seen.trip_c)[-1] + self._lead.kelvin

    # --- choice

    def _choice(self, seen: Observation, bounds: Bounds) -> Choice:
        budget = self.budget
        peak_w = None if budget.power_w is None else budget.power_w * budget.peak_ratio
        least, most = 1, self._contention.threads
        if self.fixed is not None:
            least = most = max(1, min(self.fixed, self._cores))
        present = self._chosen
        if (present.gpu is None) != (seen.gpu_s is None):  # another kind of model is at work
            present = self._clocks.seen(seen, seen.threads)
        chooser = self._chooser(bounds, present)

        def weigh() -> list[Choice]:
            return chooser.options(self._clocks.around(present, least, most), peak_w)

        found = self._weighed.get(seen.time_s, (budget, bounds.by, present, least, most), weigh)
        best = choose(found, present)
        if self.fixed is None:
            self._chosen = best.setting
        chosen = self._pace.trial(found, best, seen) or best
        return chooser.at(chosen.setting, self._cap.room_w(budget), careful=True)

    def _chooser(self, bounds: Bounds, present: Setting) -> Chooser:
        pace, usage = self._pace, self._usage
        mix = Mix(
            pace.reading,
            usage.intensity,
            usage.prompt_intensity,
            pace.pass_s,
            pace.prompt_pass_s,
        )
        window_s = self.budget.power_window_s
        return Chooser(self._power, bounds, mix, partial(pace.ratios, present=present), window_s)

    def _least_duty(self, seen: Observation, bounds: Bounds) -> float:
        """The share of the time that the setting which draws least may work.

        Under a cap on power it is what it may be if all that is unsure turns out well: what work
        would teach is no reason to turn it away.
        """
        aim_w = bounds.hoped_w
        if aim_w is None:
            return 1.0
        power, least = self._power, self._clocks.least(seen)
        hopeless = bounds.by != "power_w" or aim_w <= power.idle_w - power.idle_unsure_w
        hope_w = 0.0 if hopeless else power.unsure_w(least, self._settings.floor_duty)
        return power.utilisation(least, aim_w + hope_w) / self._usage.intensity

    # --- what is told

    def _limits(self, seen: Observation, bounds: Bounds, choice: Choice, on: Terms) -> Limits:
        limits = Limits(
            choice.threads,
            choice.duty,
            self._pace.chunk(choice, self.budget),
            None,
            on.admission,
            on.smaller,
            on.heavy,
            0.0 if on.admission == "open" else self._retry_after_s(seen, bounds, on),
            self._guard.state,
            bounds.aim_w,
            "guard" if on.stopped else bounds.by,
            prompt_duty=choice.prompt_duty,
            cpu_hz=self._clocks.cpu_hz(choice.setting),
            gpu_hz=self._clocks.gpu_hz(choice.setting),
        )
        about, idle_w = subject(bounds, self.budget), self._power.idle_w
        asked = self.fixed is not None
        slowed_hz = self._clocks.slowed_hz(choice.setting)
        reason = why(limits, seen, about, self._guard, idle_w, self._cores, asked, slowed_hz)
        return dataclasses.replace(limits, why=reason)

    def _retry_after_s(self, seen: Observation, bounds: Bounds, on: Terms) -> float:
        """Worked out once a second."""
        trip_c = seen.trip_c if on.stopped else None
        leaves_c = None if trip_c is None else self._guard.leaves_c(trip_c) + self._lead.kelvin
        idle_w = self._power.idle_w
        needed_w = self._power.power_w(Setting(1), WELL * self._settings.floor_duty)
        return self._retry.get(
            seen.time_s,
            (bounds.by, leaves_c),
            lambda: retry_after_s(bounds, self._thermal, leaves_c, idle_w, needed_w),
        )

    def _looked_ahead(self, time_s: float, evacuate_c: float | None) -> Ahead:
        """What is ahead, with the band that such forecasts have needed lately."""
        found = ahead(self._thermal, self._mean_w, self._settings.horizon_s, evacuate_c)
        if found.forecast_c is None or found.band_c is None:
            return found
        band_c = self._hindsight.band_k(time_s, found.forecast_c, found.band_c)
        return dataclasses.replace(found, band_c=band_c)

    def _report(self, seen: Observation, bounds: Bounds, choice: Choice) -> Report:
        evacuate_c = self._evacuate_c(seen)
        known = self._ahead.get(
            seen.time_s, evacuate_c, lambda: self._looked_ahead(seen.time_s, evacuate_c)
        )
        return Report(
            **vars(known),
            guard=self.limits.guard,
            allowance_w=self.limits.allowance_w,
            bound_by=self.limits.bound_by,
            allowances_w=bounds.allowances_w,
            margin_w=self._cap.margin_w,
            predicted_w=choice.power_w,
            idle_w=self._power.idle_w,
            why=self.limits.why,
            missing=tuple(missing(self.budget, seen, "temp_c" in bounds.allowances_w)),
        )
