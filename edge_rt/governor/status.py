"""The state of governor and knobs for clients, and budgets from configuration and clients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import UNSET

from edge_rt.config import schema
from edge_rt.core.limits import Limits
from edge_rt.core.reports.governor import (
    BudgetChange,
    BudgetState,
    GovernorState,
    KnobState,
    LimitsState,
)
from edge_rt.governor.budget import PERIOD_S, Budget
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.knobs.knob import Value
from edge_rt.governor.policy.guard import Settings
from edge_rt.governor.report import GovernorReport


def budget_of(configured: schema.BudgetConfig) -> Budget:
    """Return the budget of the configuration."""
    return Budget(**msgspec.structs.asdict(configured))


def settings_of(configured: schema.GovernorConfig) -> Settings:
    """Return the governor's settings of the configuration."""
    return Settings(
        **msgspec.structs.asdict(configured.guard),
        order=tuple(configured.sacrifice),
        floor_duty=configured.floor_duty,
        horizon_s=configured.horizon_s,
    )


def changed(budget: Budget, change: BudgetChange) -> Budget:
    """Return `budget` with the fields that `change` sets."""
    fields = msgspec.structs.asdict(change)
    said = {name: value for name, value in fields.items() if value is not UNSET}
    return dataclasses.replace(budget, **said)


def governor_state(
    budget: Budget,
    limits: Limits,
    report: GovernorReport,
    spent_j: float | None,
    period_left_s: float | None,
    knobs: Iterable[KnobOutcome],
    held_back_s: Mapping[str, float],
    reading_s: float | None = None,
) -> GovernorState:
    """Return the state for clients: fields of the same name have the same meaning.

    `reading_s` is as in `warnings`.
    """
    return GovernorState(
        budget=msgspec.convert(budget, BudgetState, from_attributes=True),
        limits=msgspec.convert(limits, LimitsState, from_attributes=True),
        guard=limits.guard,
        allowance_w=report.allowance_w,
        allowances_w={str(name): watts for name, watts in (report.allowances_w or {}).items()},
        bound_by=report.bound_by,
        margin_w=report.margin_w,
        predicted_w=report.predicted_w,
        idle_w=report.idle_w,
        horizon_s=report.horizon_s,
        forecast_c=report.forecast_c,
        band_c=report.band_c,
        guard_in_s=report.guard_in_s,
        trusted=report.trusted,
        why=report.why,
        missing=list(report.missing),
        spent_j=spent_j if budget.energy_j is not None else None,
        period_left_s=period_left_s if budget.energy_j is not None else None,
        knobs=[_knob(outcome) for outcome in knobs],
        held_back_s=dict(held_back_s),
        warnings=list(warnings(budget, report.idle_w, reading_s)),
    )


_FAST_S = 0.5  # between two readings, with which windows of a second can be kept
_READINGS = 5  # of a slower sensor that a window must hold


def warnings(budget: Budget, idle_w: float | None, reading_s: float | None = None) -> Iterator[str]:
    """A sentence for each cap that cannot be kept, or leaves nothing above what idling draws.

    `reading_s` are the seconds between two readings of the supply.
    """
    slow = "answers take very long or are refused. Raise it with: edge-rt budget"
    power_w, energy_j = budget.power_w, budget.energy_j
    if power_w is not None and reading_s is not None and reading_s > _FAST_S:
        window_s, least_s = budget.power_window_s, _READINGS * reading_s
        if window_s < least_s:
            cap = f"The power budget holds for windows of {window_s:.3g} s, and the board's power"
            remedy = f"lengthen them with: edge-rt budget --window {least_s:.3g}"
            yield f"{cap} is read every {reading_s:.3g} s: {remedy}"
    if idle_w is None:
        return
    if power_w is not None and power_w <= idle_w:
        cap = f"The power budget of {power_w:.3g} W is not above the {idle_w:.3g} W"
        yield f"{cap} that the board draws idle: {slow} --power WATTS"
    period_j = idle_w * PERIOD_S[budget.energy_period]
    if energy_j is not None and energy_j <= period_j:
        cap = f"The energy budget of {energy_j:.0f} J each {budget.energy_period} is not above"
        yield f"{cap} the {period_j:.0f} J that the board draws idle: {slow} --energy"


def _knob(outcome: KnobOutcome) -> KnobState:
    fine = outcome.state in ("turned", "restored")
    return KnobState(
        name=_text(outcome.knob) or "",
        wanted=_text(outcome.wanted) or "",
        value=_text(outcome.value),
        before=_text(outcome.original),
        error=None if fine else _text(outcome.said or outcome.state),
    )


def _text(value: Value | None) -> str | None:
    """Return the value as text: names of files may hold bytes that are no text."""
    if value is None:
        return None
    words = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return words.encode("utf-8", "backslashreplace").decode()
