"""The governor told to clients, and a budget changed by clients."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import pytest

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Limits
from edge_rt.core.reports.governor import BudgetChange, BudgetState, GovernorState, LimitsState
from edge_rt.governor.budget import changed, late, warnings
from edge_rt.governor.knobs.journal import KnobOutcome
from edge_rt.governor.report import GovernorReport, governor_state

BUDGET = BudgetConfig(
    power_w=8.0,
    power_window_s=2.0,
    peak_ratio=1.25,
    temp_c=70.0,
    energy_j=50_000.0,
    energy_period="hour",
)
LIMITS = Limits(2, 0.6, 24, "queue", True, False, 30.0, "hold", 7.8, "power_w", "the cap is 8 W")
REPORT = GovernorReport(
    allowances_w={"power_w": 7.8, "temp_c": 9.0},
    margin_w=0.2,
    predicted_w=7.7,
    idle_w=3.5,
    horizon_s=30.0,
    forecast_c=66.2,
    band_c=1.4,
    guard_in_s=95.0,
    trusted=True,
    missing=("no fan is read",),
)


def state(**changes: Any) -> GovernorState:
    given: dict[str, Any] = {
        "budget": BUDGET,
        "limits": LIMITS,
        "report": REPORT,
        "spent_j": 12_000.0,
        "period_left_s": 1800.0,
        "knobs": [],
        "held_back_s": {"power_w": 12.5},
        "warnings": [],
        "supply": [],
    }
    return governor_state(**{**given, **changes})


# --- what is changed


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (b"{}", BUDGET),
        (b'{"power_w": 6}', msgspec.structs.replace(BUDGET, power_w=6.0)),
        (b'{"power_w": null}', msgspec.structs.replace(BUDGET, power_w=None)),
        (
            b'{"temp_c": null, "energy_j": 1e5, "energy_period": "day"}',
            msgspec.structs.replace(BUDGET, temp_c=None, energy_j=1e5, energy_period="day"),
        ),
        (
            b'{"power_window_s": 5, "peak_ratio": 2}',
            msgspec.structs.replace(BUDGET, power_window_s=5.0, peak_ratio=2.0),
        ),
    ],
)
def test_what_is_said_changes_and_the_rest_stays(body: bytes, after: BudgetConfig) -> None:
    assert changed(BUDGET, msgspec.json.decode(body, type=BudgetChange)) == after


def test_every_cap_can_be_changed() -> None:
    assert set(BudgetChange.__struct_fields__) == set(BudgetConfig.__struct_fields__)


# --- what is told


def test_all_of_it() -> None:
    assert state() == GovernorState(
        budget=BudgetState(8.0, 2.0, 1.25, 70.0, 50_000.0, "hour"),
        limits=LimitsState(2, 0.6, 24, "queue", True, False, 30.0),
        guard="hold",
        allowance_w=7.8,
        allowances_w={"power_w": 7.8, "temp_c": 9.0},
        bound_by="power_w",
        margin_w=0.2,
        predicted_w=7.7,
        idle_w=3.5,
        horizon_s=30.0,
        forecast_c=66.2,
        band_c=1.4,
        guard_in_s=95.0,
        trusted=True,
        why="the cap is 8 W",
        missing=["no fan is read"],
        spent_j=12_000.0,
        period_left_s=1800.0,
        knobs=[],
        held_back_s={"power_w": 12.5},
    )


def test_before_the_first_step() -> None:
    told = state(budget=BudgetConfig(), limits=Limits(4), report=GovernorReport(), held_back_s={})
    unknown = {"allowance_w", "bound_by", "margin_w", "predicted_w", "idle_w", "forecast_c"}
    document = json.loads(msgspec.json.encode(told))
    assert {document[name] for name in unknown | {"band_c", "guard_in_s"}} == {None}
    assert (document["allowances_w"], document["missing"], document["trusted"]) == ({}, [], False)
    assert (document["guard"], document["why"]) == ("ok", "nothing holds back")


def test_what_is_spent_belongs_to_a_cap() -> None:
    told = state(budget=msgspec.structs.replace(BUDGET, energy_j=None))
    assert (told.spent_j, told.period_left_s) == (None, None)
    unknown = state(spent_j=None)
    assert (unknown.spent_j, unknown.period_left_s) == (None, 1800.0)


@pytest.mark.parametrize(
    ("budget", "idle_w", "figures"),
    [
        (BudgetConfig(power_w=3.0), 3.42, ["3 W", "3.42 W", "edge-rt budget --power WATTS"]),
        (BudgetConfig(power_w=3.42), 3.42, ["3.42 W"]),
        (BudgetConfig(power_w=3.5), 3.42, None),
        (BudgetConfig(power_w=3.0), None, None),
        (
            BudgetConfig(energy_j=7200.0, energy_period="hour"),
            2.5,
            ["7200 J", "9000 J", "--energy"],
        ),
        (BudgetConfig(energy_j=7200.0, energy_period="hour"), 1.5, None),
        (BudgetConfig(temp_c=20.0), 3.0, None),
    ],
)
def test_a_cap_that_idle_draw_uses_up_is_warned_of_with_both_figures(
    budget: BudgetConfig, idle_w: float | None, figures: list[str] | None
) -> None:
    found = [*warnings(budget, idle_w)]
    assert len(found) == (figures is not None)
    assert all(figure in found[0] for figure in figures or [])


@pytest.mark.parametrize(
    ("reading_s", "window_s", "warned"),
    [
        (0.1, 1.0, False),
        (0.25, 1.0, False),
        (1.0, 5.0, False),
        (1.0, 1.0, True),
        (None, 1.0, False),
    ],
)
def test_a_window_that_the_sensor_cannot_show_is_warned_of(
    reading_s: float | None, window_s: float, warned: bool
) -> None:
    budget = BudgetConfig(power_w=9.0, power_window_s=window_s)
    found = list(warnings(budget, None, reading_s))
    assert len(found) == warned
    assert all("edge-rt budget --window 5" in one for one in found)
    assert not list(warnings(BudgetConfig(power_window_s=window_s), None, reading_s))


@pytest.mark.parametrize(("delay_s", "window"), [(0.1, None), (0.5, None), (1.5, "4 s")])
def test_late_readings_are_told_with_the_window_that_they_allow(
    delay_s: float, window: str | None
) -> None:
    told = late(BudgetConfig(), delay_s)
    assert (told is None) == (window is None)
    assert told is None or (f"{delay_s} s late" in told and f"windows of {window}" in told)


def test_only_what_slows_answers_is_told_as_that() -> None:
    assert state().slowed is None
    assert state(limits=dataclasses.replace(LIMITS, slows=True)).slowed == "the cap is 8 W"


def test_what_is_told_does_not_change_afterwards() -> None:
    seconds = {"power_w": 1.0}
    told = state(held_back_s=seconds)
    seconds["power_w"] = 2.0
    assert told.held_back_s == {"power_w": 1.0}


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (KnobOutcome("max_hz", "turned", 0, 2_400_000, 0), ("0", "0", "2400000", None)),
        (
            KnobOutcome("max_hz", "turned", 1, 2, 3, "asked for 1, it then said 3"),
            ("1", "3", "2", None),
        ),
        (KnobOutcome("mode", "restored", "15W", "MAXN", "MAXN"), ("15W", "MAXN", "MAXN", None)),
        (KnobOutcome("mode", "waiting", "15W", said="too early"), ("15W", None, None, "too early")),
        (KnobOutcome("clock", "failed", 9, said="no right"), ("9", None, None, "no right")),
        (KnobOutcome("fan", "gone"), ("", None, None, "gone")),
    ],
)
def test_knobs(outcome: KnobOutcome, told: tuple[str | None, ...]) -> None:
    [knob] = state(knobs=iter([outcome])).knobs
    assert knob.name == outcome.knob
    assert (knob.wanted, knob.value, knob.before, knob.error) == told


def test_names_that_are_no_text_are_spelt_out() -> None:
    told = state(knobs=[KnobOutcome("/tmp/\udc80/pwm1", "failed", "\udc80", said="no \udc80")])
    [knob] = json.loads(msgspec.json.encode(told))["knobs"]
    assert knob["name"] == "/tmp/\\udc80/pwm1"
    assert knob["error"] == "no \\udc80"
