"""The control loop: from observations to limits."""

from __future__ import annotations

import dataclasses
import math

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import BoundBy, ClockSteps, Limits, Observation
from edge_rt.governor.budget import PowerBounds, retry_after_s, spend
from edge_rt.governor.clock_effect import ClockEffect
from edge_rt.governor.policy.cap import Cap
from edge_rt.governor.policy.choice import OperatingPoint, OperatingPoints, choose, stopped
from edge_rt.governor.policy.guard import (
    CLOSED_S,
    LONG_CLOSED_S,
    WELL,
    GuardState,
    Lead,
    Sacrifices,
    admission,
)
from edge_rt.governor.policy.heat_allowance import HeatAllowance, Rarely
from edge_rt.governor.policy.pace import Pace, ratios
from edge_rt.governor.policy.setting import BoardLoad, ClockRange, EngineSetting, WorkMix
from edge_rt.governor.policy.usage import ThreadChooser, ThreadUsage, clean
from edge_rt.governor.power.draws import STIRS, Priors
from edge_rt.governor.power.model import PowerModel
from edge_rt.governor.report import Ahead, GovernorReport, ahead, missing, subject, why
from edge_rt.governor.sag import SagCap
from edge_rt.governor.stuck_reading import StuckReading
from edge_rt.thermal.band import Hindsight
from edge_rt.thermal.model import ThermalModel

_SOON_S, _GAP_S = 0.01, 3.0  # shortest and longest time between two looks that is learnt from
_NEAR_C = 0.5  # kelvins below the evacuation threshold at which pacing keeps the temperature
_READS = 0.01  # share of prompts from which on the margin allows for them
_NO_PAUSES = 0.9  # duty from which on pauses hardly lower the power of a window
_AWAKE_S = 0.3  # of a pause, after which a board rests
_MEAN_S = 3.0  # time constant of the power that forecasts take to go on


class Governor:
    """Keeps a board within a budget: from each observation it computes limits for the engine.

    It has no clock, file or task of its own. Call `step` about five times a second with the
    observation since the last call, and apply its limits until the next one. It passes
    observations on to `thermal`.

    Every constraint becomes an allowance in watts. Of the threads, clocks and duties whose
    predicted power is within the least allowance, it chooses those with the most tokens a second.
    Predictions are corrected by measurements, so that nothing winds up.
    """

    def __init__(
        self,
        cores: int,
        budget: BudgetConfig,
        thermal: ThermalModel | None,
        priors: Priors,
        settings: GovernorConfig,
        clocks: ClockSteps | None = None,
    ) -> None:
        """`cores` is the most threads to use; `clocks` are those to choose from, None: none."""
        self.budget = budget  # may be replaced at any time; holds from the next step on
        self.fixed: int | None = None  # threads, in place of a choice; from the next step on
        self.smaller = True  # whether less of a model may answer; from the next step on
        self._kept: BudgetConfig = budget  # at the last step
        self.limits = Limits(cores)
        self.report = GovernorReport()
        self._cores, self._thermal, self._settings = cores, thermal, settings
        self._power, self._pace = PowerModel(cores, priors), Pace()
        self._threads, self._usage = ThreadChooser(cores), ThreadUsage()
        self._cap, self._heat = Cap(), HeatAllowance(settings.horizon_s)
        self._sag, self._in_force = SagCap(), budget
        self._reading = StuckReading(cores)
        self._guard, self._lead = GuardState(settings), Lead()
        self._sacrifices = Sacrifices(settings.sacrifice, settings.floor_duty)
        self._weighed: Rarely[list[OperatingPoint]] = Rarely()  # costly, so computed rarely
        self._retry: Rarely[float] = Rarely()
        self._ahead: Rarely[Ahead] = Rarely()
        self._hindsight = Hindsight(settings.horizon_s)
        self._paused_s = math.inf  # whole looks since the engine worked
        self._mean_w = priors.idle_w  # mean power of the last seconds
        self.clocks = clocks or ClockSteps()  # to choose from; from the next step on
        self._clocks, self._effect = ClockRange(self.clocks), ClockEffect()
        self._chosen = EngineSetting(cores)
        self._told = OperatingPoint(self._chosen, 1.0, 1.0, 0.0, 0.0, (0.0, 0.0))
        self._told_rest_w = 0.0

    def step(self, seen: Observation) -> Limits:
        """Return the limits from now on, also kept in `limits`, with the reasons in `report`.

        Impossible figures count as not seen.
        """
        seen = clean(seen, self._cores)
        self._lead.look(seen)
        clocks = self._effect.left(self.clocks, seen)
        if clocks != self._clocks.steps:
            self._clocks = ClockRange(clocks)
            self._chosen = EngineSetting(self._chosen.threads)
        self._hindsight.look(seen.time_s, seen.temp_c)
        if _SOON_S <= seen.dt_s <= _GAP_S:
            self._learn(self._reading.believed(seen))
        elif seen.dt_s > _GAP_S:
            self._cap.interrupt()
        bounds = self._bounds(seen)
        choice = self._choice(seen, bounds)
        least_duty = self._least_duty(seen, bounds)
        order = self._settings.sacrifice
        self._sacrifices.arrange([name for name in order if self.smaller or name != "model"])
        if self.budget != self._kept:
            self._kept = self.budget
            self._sacrifices.settle(least_duty)
        quiet = not seen.running and not seen.waiting
        closed_s = CLOSED_S if bounds.by == "power_w" else LONG_CLOSED_S
        self._sacrifices.update(min(seen.dt_s, _GAP_S), least_duty, quiet, closed_s)
        guard = self._guard.update(seen.guarded_c, seen.trip_c, min(seen.dt_s, _GAP_S))
        if guard == "evacuate":
            choice = stopped(choice, self._power.idle_w)
        self._told, self._told_rest_w = choice, self._power.rest_w(choice.setting)
        self.limits = self._limits(seen, bounds, choice)
        self.report = self._report(seen, bounds, choice)
        return self.limits

    # --- learning

    def _learn(self, seen: Observation) -> None:
        power, usage, dt_s = self._power, self._usage, seen.dt_s
        used = usage.look(seen)
        at = self._clocks.seen(seen, used.threads)
        busy = min(1.0, used.busy_s / dt_s)
        load = BoardLoad(
            at,
            busy,
            usage.prompt_share,
            cores=seen.others or 0.0,
            gpu=usage.gpu,
            coarse=self._coarse(dt_s),
            intensity=usage.present_intensity if seen.gpu_s is None else 1.0,
            awake=self._awake(dt_s, busy, seen.others or 0.0),
        )
        power.learn(dt_s, load, seen.power_w, usage.behind_s)
        drawn = power.recent()
        self._mean_w += min(1.0, dt_s / _MEAN_S) * (drawn[-1] - self._mean_w)
        window_s = self.budget.power_window_s
        told, reads = self._told, usage.prompt_share >= 0.5
        whole = (told.prompt_duty if reads else told.duty) >= _NO_PAUSES
        self._cap.look(dt_s, drawn, self._planned_w(), window_s, busy > 0.0, power.step_w, whole)
        if self._thermal is not None:
            heats_w = drawn[-1] if seen.power_w is None else seen.power_w
            self._thermal.observe(seen.time_s, seen.temp_c, heats_w, seen.fan)
        self._threads.look(dt_s, seen.rivals)
        self._pace.look(seen, self._clocks.seen(seen, seen.threads))

    def _awake(self, dt_s: float, busy: float, others: float) -> bool:
        """Return whether the board's clocks are still up, as something has worked lately."""
        self._paused_s = 0.0 if busy > 0.0 else self._paused_s + dt_s
        return self._paused_s < _AWAKE_S or others > STIRS

    def _coarse(self, dt_s: float) -> float:
        """Return the length of a pass as a share of a look, at most 1."""
        pace = self._pace
        pass_s = pace.pass_s + self._usage.prompt_share * (pace.prompt_pass_s - pace.pass_s)
        return min(1.0, pass_s / dt_s)

    def _planned_w(self) -> float:
        """Return the power planned for by the limits in force, with the present rest.

        The margin for the model's errors counts as planned: it is no excess when it is drawn.
        """
        decode_w, prompt_w = self._told.planned_w
        planned_w = decode_w + self._usage.prompt_share * (prompt_w - decode_w)
        return (
            planned_w
            + self._power.rest_w(self._told.setting)
            - self._told_rest_w
            + self._cap.extra_margin_w
        )

    def _ripple_w(self) -> float:
        """Return the excess of a window that ends between a prompt's first pass and its rest."""
        pace, told = self._pace, self._told
        if pace.prompt_share < _READS:
            return 0.0
        share = min(1.0, pace.prompt_pass_s / self.budget.power_window_s)
        return share * (1.0 - told.prompt_duty) * self._power.draw_w(told.setting, 1.0)

    # --- bounds

    def _bounds(self, seen: Observation) -> PowerBounds:
        found: dict[BoundBy, float] = {}
        full = EngineSetting(self._cores, gpu=None if seen.gpu_s is None else 1.0)
        idle_w, full_w = self._power.idle_w, self._power.power_w(full, 1.0)
        budget = self._sag.look(seen.time_s, seen.sag, self.budget, idle_w, full_w)
        self._in_force = budget
        deviation_w = self._power.present_deviation_w
        target_w = self._cap.target_w(budget, deviation_w, self._ripple_w())
        if target_w is not None:
            found["power_w"] = target_w[0]
        evacuate_c = self._evacuate_c(seen)
        limits = [] if evacuate_c is None else [evacuate_c - _NEAR_C]
        limits += [] if self.budget.temp_c is None else [self.budget.temp_c]
        limit_c = min(limits, default=None)
        heat_w = self._heat.update(seen, self._thermal, limit_c, idle_w, full_w)
        if heat_w is not None:
            found["temp_c"] = heat_w
        energy = spend(self.budget, seen.supply_j, seen.period_left_s, idle_w)
        if energy is not None:
            found["energy_j"] = energy.power_w
        return PowerBounds(
            found, energy, limit_c, target_w and target_w[1], self._cap.likely_w(budget)
        )

    def _evacuate_c(self, seen: Observation) -> float | None:
        """Return the hottest zone's temperature at which everything stops.

        None: no known trip point.
        """
        if seen.trip_c is None:
            return None
        return self._guard.thresholds_c(seen.trip_c)[-1] + self._lead.kelvin

    # --- choice

    def _choice(self, seen: Observation, bounds: PowerBounds) -> OperatingPoint:
        budget = self._in_force
        peak_w = None if budget.power_w is None else budget.power_w * budget.peak_ratio
        least, most = 1, self._threads.threads
        if self.fixed is not None:
            least = most = max(1, min(self.fixed, self._cores))
        present = self._chosen
        if (present.gpu is None) != (seen.gpu_s is None):  # another kind of model is at work
            present = self._clocks.seen(seen, seen.threads)
        chooser = self._chooser(bounds, present)

        def weigh() -> list[OperatingPoint]:
            return chooser.options(self._clocks.around(present, least, most), peak_w)

        found = self._weighed.get(seen.time_s, (budget, bounds.by, present, least, most), weigh)
        best = choose(found, present)
        if self.fixed is None:
            self._chosen = best.setting
        return chooser.at(best.setting, self._cap.room_w(budget), careful=True)

    def _chooser(self, bounds: PowerBounds, present: EngineSetting) -> OperatingPoints:
        pace, usage = self._pace, self._usage
        mix = WorkMix(
            pace.prompt_share,
            usage.intensity,
            usage.prompt_intensity,
            pace.pass_s,
            pace.prompt_pass_s,
        )
        window_s = self.budget.power_window_s
        return OperatingPoints(
            self._power, bounds, mix, lambda setting: ratios(setting, present), window_s
        )

    def _least_duty(self, seen: Observation, bounds: PowerBounds) -> float:
        """Return the duty that the setting with the least draw may have; may be below 0 or above 1.

        Under a cap on power the model's deviation is added to the aim: requests are not refused
        for an uncertainty that work itself would reduce.
        """
        aim_w = bounds.hoped_w
        if aim_w is None:
            return 1.0
        power, least = self._power, self._clocks.least(seen)
        hopeless = bounds.by != "power_w" or aim_w <= power.idle_w - power.idle_deviation_w
        hope_w = 0.0 if hopeless else power.deviation_w(least, self._settings.floor_duty)
        return power.utilisation(least, aim_w + hope_w) / self._usage.intensity

    # --- results

    def _limits(self, seen: Observation, bounds: PowerBounds, choice: OperatingPoint) -> Limits:
        guard, made = self._guard.state, self._sacrifices.made
        taken = admission(guard, made)
        limits = Limits(
            choice.threads,
            choice.duty,
            self._pace.chunk(choice, self.budget),
            taken,
            "model" in made,
            guard == "ok" and taken == "open",
            0.0 if taken == "open" else self._retry_after_s(seen, bounds),
            guard,
            bounds.aim_w,
            "guard" if guard == "evacuate" else bounds.by,
            prompt_duty=choice.prompt_duty,
            cpu_hz=self._clocks.cpu_hz(choice.setting),
            gpu_hz=self._clocks.gpu_hz(choice.setting),
        )
        about, idle_w = subject(bounds, self._in_force, self._sag.subject), self._power.idle_w
        reason, slows = why(
            limits,
            seen,
            about,
            self._guard,
            idle_w,
            cores=self._cores,
            asked=self.fixed is not None,
            slowed_hz=self._clocks.slowed_hz(choice.setting),
        )
        return dataclasses.replace(limits, why=reason, slows=slows)

    def _retry_after_s(self, seen: Observation, bounds: PowerBounds) -> float:
        """Return seconds until requests may be taken again, computed once a second."""
        trip_c = seen.trip_c if self._guard.state == "evacuate" else None
        leaves_c = None if trip_c is None else self._guard.leaves_c(trip_c) + self._lead.kelvin
        idle_w = self._power.idle_w
        needed_w = self._power.power_w(EngineSetting(1), WELL * self._settings.floor_duty)
        return self._retry.get(
            seen.time_s,
            (bounds.by, leaves_c),
            lambda: retry_after_s(bounds, self._thermal, leaves_c, idle_w, needed_w),
        )

    def _looked_ahead(self, time_s: float, evacuate_c: float | None) -> Ahead:
        """Return the forecast, with a band that recent forecasts confirm."""
        found = ahead(self._thermal, self._mean_w, self._settings.horizon_s, evacuate_c)
        if found.forecast_c is None or found.band_c is None:
            return found
        band_c = self._hindsight.band_k(time_s, found.forecast_c, found.band_c)
        return dataclasses.replace(found, band_c=band_c)

    def _report(
        self, seen: Observation, bounds: PowerBounds, choice: OperatingPoint
    ) -> GovernorReport:
        evacuate_c, frozen_w = self._evacuate_c(seen), self._reading.frozen_w
        known = self._ahead.get(
            seen.time_s, evacuate_c, lambda: self._looked_ahead(seen.time_s, evacuate_c)
        )
        due_c, due_band_c = self._hindsight.due or (None, None)
        return GovernorReport(
            **vars(known),
            due_c=due_c,
            due_band_c=due_band_c,
            allowances_w=bounds.allowances_w,
            margin_w=self._cap.margin_w,
            predicted_w=choice.power_w,
            idle_w=self._power.idle_w,
            delay_s=self._power.delay_s,
            sag=self._sag.told,
            missing=tuple(missing(self.budget, seen, "temp_c" in bounds.allowances_w, frozen_w)),
            frozen_w=frozen_w,
            ineffective=self._effect.ineffective,
        )
