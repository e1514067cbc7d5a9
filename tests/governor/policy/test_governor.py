"""The governor on looks that are made up: what it allows, and what it says."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from look_help import QUIET, governor, looks, settle, work
from still_heat import StillHeat

from edge_rt.config.schema import BudgetConfig, GovernorConfig

AT_WORK = {"running": 1, "busy_s": 0.2, "cpu_s": 0.8, "tokens": 4, "power_w": 8.0}


def test_without_a_budget_everything_goes_at_full_speed() -> None:
    known = governor()
    limits = settle(known)
    assert (limits.threads, limits.duty, limits.prefill_chunk) == (4, 1.0, None)
    assert (limits.admission, limits.heavy, limits.smaller) == ("open", True, False)
    assert limits.retry_after_s == 0.0
    assert limits.why == "nothing holds back"
    at_work = work(known, 60.0)
    assert sum(limits.threads == 4 for limits in at_work) > 0.9 * len(at_work)  # else it tries
    assert all(limits.duty == 1.0 for limits in at_work)


def test_a_cap_is_kept_before_anything_was_drawn() -> None:
    limits = settle(governor(BudgetConfig(power_w=6.0)), power_w=None)
    assert limits.bound_by == "power_w"
    assert limits.allowance_w is not None
    assert limits.allowance_w <= 6.0
    assert 4.0 + limits.threads * limits.duty <= limits.allowance_w + 0.01


def test_more_threads_than_a_peak_allows_are_not_used() -> None:
    tight = governor(BudgetConfig(power_w=5.0, peak_ratio=1.25))  # 6.25 W: two threads
    assert settle(tight).threads <= 2
    wide = governor(BudgetConfig(power_w=7.9, peak_ratio=1.5))
    assert settle(wide).threads > 2


def test_the_guard_goes_before_everything() -> None:
    known = governor(BudgetConfig(power_w=6.0))
    limits = settle(known, temp_c=79.0)
    assert (limits.guard, limits.admission, limits.duty) == ("evacuate", "refuse", 0.0)
    assert (limits.bound_by, limits.prompt_duty) == ("guard", 0.0)
    assert limits.retry_after_s >= 1.0
    assert limits.why == (
        "the board is at 79 °C and would throttle at 80 °C: "
        "everything stands still until it is below 73 °C"
    )
    assert settle(known, temp_c=74.0).duty == 0.0
    assert settle(known, temp_c=72.5).duty > 0.0


def test_the_zone_that_is_nearest_to_its_trip_point_decides_and_is_told() -> None:
    """And not how hot another one is that stands more."""
    cool = settle(governor(), temp_c=95.0, near_c=50.0, trip_c=70.0)
    assert (cool.guard, cool.duty) == ("ok", 1.0)
    known = governor()
    limits = settle(known, temp_c=75.0, near_c=69.0, trip_c=70.0)
    assert (limits.guard, limits.duty) == ("evacuate", 0.0)
    assert limits.why.startswith("the board is at 69 °C and would throttle at 70 °C")
    assert settle(known, temp_c=75.0, near_c=60.0, trip_c=70.0).guard == "hold"


def test_a_forecast_of_the_hottest_zone_may_go_as_far_as_the_nearest_one_has_room() -> None:
    """Within 2 K: that zones differ by turns is no reason to begin from the full draw again."""
    heat = StillHeat(per_w=5.0)  # 25 °C and 5 K a watt
    known = governor(thermal=heat)
    for number, look in enumerate(looks(120.0, temp_c=80.0, running=1)):
        known.step(replace(look, near_c=60.0 + number % 2, trip_c=80.0))
    expected = (0.975 * 80.0 - 0.5 + 20.0 - 25.0) / 5.0
    allowances_w = known.report.allowances_w
    assert allowances_w["temp_c"] == pytest.approx(expected, abs=0.5)


def test_a_stop_does_not_outlast_the_sensor_by_more_than_a_minute() -> None:
    known = governor(thermal=StillHeat(per_w=8.0))
    settle(known, temp_c=79.0)
    blind = settle(known, 30.0, temp_c=None)
    assert (blind.guard, blind.duty) == ("evacuate", 0.0)
    assert blind.why == (
        "the board was too hot when its temperature was last read: "
        "everything stands still for a minute"
    )
    later = settle(known, 60.0, temp_c=None)
    assert (later.guard, later.admission) == ("hold", "open")
    assert later.allowance_w == pytest.approx((77.5 - 5.0 - 25.0) / 8.0, abs=0.1)  # by forecast
    assert later.why.endswith(
        "the board was hot when its temperature was last read: no model is loaded"
    )


@pytest.mark.parametrize(
    ("temp_c", "guard", "until_c"), [(65.0, "caution", 59), (69.0, "hold", 63)]
)
def test_a_warm_board_loads_no_model_and_goes_on_with_all_requests(
    temp_c: float, guard: str, until_c: int
) -> None:
    known = governor(thermal=StillHeat(per_w=0.1))
    warm = settle(known, temp_c=temp_c, **AT_WORK)
    assert (warm.guard, warm.heavy, warm.admission, warm.duty) == (guard, False, "open", 1.0)
    assert warm.why == (
        f"the board is at {temp_c:.0f} °C: no model is loaded until it is below {until_c} °C"
    )


def test_a_cap_below_the_idle_power_ends_in_refusal_with_the_reason() -> None:
    known = governor(BudgetConfig(power_w=2.0))
    first = settle(known, 1.0)
    assert first.duty <= 0.02
    last = settle(known, 30.0)
    assert (last.admission, last.smaller, last.heavy) == ("refuse", True, False)
    assert last.retry_after_s >= 1.0
    assert last.why == (
        "the power cap of 2 W leaves nothing beyond the 4 W that the board draws idle; "
        "smaller models answer; new requests are refused"
    )


def test_it_recovers_from_refusal_once_the_budget_allows() -> None:
    known = governor(BudgetConfig(power_w=2.0))
    settle(known, 30.0)
    known.budget = BudgetConfig(power_w=7.0)
    limits = settle(known, 30.0)
    assert (limits.admission, limits.smaller, limits.heavy) == ("open", False, True)


def test_the_user_may_leave_sacrifices_out() -> None:
    known = governor(BudgetConfig(power_w=2.0), GovernorConfig(sacrifice=("pace", "queue")))
    limits = settle(known, 60.0)
    assert (limits.admission, limits.smaller) == ("queue", False)


@pytest.mark.parametrize(("floor_duty", "smaller"), [(0.2, False), (0.8, True)])
def test_the_user_says_how_slow_is_too_slow(floor_duty: float, smaller: bool) -> None:
    """The cap leaves one thread some 40 % of the time."""
    known = governor(BudgetConfig(power_w=4.4), GovernorConfig(floor_duty=floor_duty))
    assert settle(known, 30.0).smaller == smaller


def test_smaller_models_are_asked_for_once_there_are_any() -> None:
    known = governor(BudgetConfig(power_w=2.0))
    known.smaller = False
    assert not settle(known, 60.0).smaller
    known.smaller = True
    assert settle(known, 1.0).smaller


def test_spent_energy_is_waited_for_until_the_period_ends() -> None:
    known = governor(BudgetConfig(energy_j=1000.0, energy_period="hour"))
    limits = settle(known, 30.0, supply_j=1200.0, period_left_s=900.0)
    assert limits.admission == "refuse"
    assert limits.bound_by == "energy_j"
    assert limits.retry_after_s == pytest.approx(900.0)
    assert limits.why.startswith("making 0 J last for 15 min leaves nothing beyond the 4 W")


def test_the_wait_for_a_hot_board_is_how_long_it_cools() -> None:
    known = governor(thermal=StillHeat(per_w=5.0))
    limits = settle(known, temp_c=79.0)
    assert limits.retry_after_s == 5.0  # the shortest time that is looked ahead


def test_a_ceiling_below_the_trip_point_holds() -> None:
    known = governor(BudgetConfig(temp_c=50.4), thermal=StillHeat(per_w=4.0))
    limits = settle(known, 60.0)
    assert limits.bound_by == "temp_c"
    assert limits.allowance_w == pytest.approx(6.35, abs=0.05)
    assert limits.why == "staying below 50 °C allows 6.35 W, most comes of 2 threads of 4"


def test_what_others_use_is_left_to_them_and_taken_back_within_three_seconds() -> None:
    known = governor(cores=2)
    assert settle(known, 3.0, others=0.0).threads == 2
    limits = settle(known, 2.0, others=0.9)
    assert limits.threads == 1
    assert limits.why == "other programs keep 0.9 of 2 cores busy, 1 thread may work"
    assert settle(known, 3.0, others=0.1).threads == 2
    assert settle(known, 2.0, others=0.9, helped=0.7).threads == 2


def test_a_change_of_the_cap_makes_no_jump_beyond_it() -> None:
    known = governor(BudgetConfig(power_w=6.5))
    before = work(known, 60.0)[-20:]
    known.budget = msgspec.structs.replace(known.budget, power_w=6.0)
    after = work(known, 5.0, 60.0)
    drawn = [4.0 + limits.threads * limits.duty for limits in (*before, *after)]
    assert all(5.0 < power_w <= 6.5 for power_w in drawn)
    assert all(power_w <= 6.0 for power_w in drawn[20:])


def test_a_cap_that_is_lifted_leaves_nothing_behind() -> None:
    known = governor(BudgetConfig(power_w=5.0))
    work(known, 300.0)
    known.budget = BudgetConfig()
    limits = known.step(replace(QUIET, time_s=300.0))
    assert (limits.threads, limits.duty, limits.why) == (4, 1.0, "nothing holds back")


def test_the_report_tells_what_each_constraint_allows() -> None:
    budget = BudgetConfig(power_w=7.0, temp_c=60.0, energy_j=36_000.0, energy_period="hour")
    known = governor(budget, thermal=StillHeat())
    settle(known, 10.0, supply_j=0.0, period_left_s=3600.0, **AT_WORK)
    told = known.report
    assert set(told.allowances_w) == {"power_w", "temp_c", "energy_j"}
    assert known.limits.allowance_w == min(told.allowances_w.values())
    assert known.limits.bound_by == "power_w"
    assert told.margin_w is not None
    assert told.margin_w > 0.0
    assert told.predicted_w is not None
    assert told.predicted_w <= 7.0
    assert told.idle_w is not None
    assert (told.horizon_s, told.trusted) == (30.0, True)
    assert told.forecast_c is not None
    assert told.band_c == 1.0
    assert told.missing == ()


def test_the_seconds_to_evacuation_are_told_when_it_is_coming() -> None:
    known = governor(thermal=StillHeat(per_w=8.0))
    settle(known, 20.0, **AT_WORK)
    assert known.report.guard_in_s == 60.0


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"power_w": None}, "No power can be read: watts are kept by a model of the board, and"),
        ({"temp_c": None}, "No temperature can be read"),
        (
            {"trip_assumed": True},
            "The temperature at which the board throttles is not known: 80 °C",
        ),
        ({"others": None}, "Other programs' processor time cannot be read"),
        ({"supply_j": None}, "The supply's energy is not counted"),
    ],
)
def test_what_is_missing_is_said(seen: dict[str, float | None], words: str) -> None:
    known = governor(BudgetConfig(energy_j=1e6, energy_period="day"))
    all_there = {"supply_j": 1.0, "period_left_s": 80_000.0}
    settle(known, 1.0, **all_there)
    assert known.report.missing == ()
    settle(known, 1.0, **{**all_there, **seen})
    assert len(known.report.missing) == 1
    assert known.report.missing[0].startswith(words)


def test_a_frozen_sensor_is_told_until_it_moves_or_is_missing() -> None:
    known = governor()
    settle(known, 1.0)
    settle(known, 5.0, **AT_WORK | {"power_w": 4.0})
    assert known.report.missing[0].startswith("The power sensor is frozen: it stays at 4 W")
    assert (known.report.frozen_w, list(known.report.distrusted)) == (4.0, ["power"])
    settle(known, 0.2, **AT_WORK | {"power_w": None})
    assert known.report.missing[0].startswith("No power can be read")
    settle(known, 0.2, **AT_WORK)
    assert (known.report.missing, known.report.frozen_w) == ((), None)


def test_nothing_is_learnt_from_a_long_silence() -> None:
    known = governor()
    for look in looks(5.0, **AT_WORK):
        known.step(look)
    idle_w = known.report.idle_w
    known.step(replace(QUIET, time_s=3600.0, dt_s=3600.0, power_w=900.0))
    assert known.report.idle_w == idle_w


def test_an_excess_before_a_long_silence_is_not_made_up_for_after_it() -> None:
    """The window that it was in is long over."""
    known = governor(BudgetConfig(power_w=6.0))
    work(known, 60.0)
    for look in looks(2.0, 60.0, **{**AT_WORK, "power_w": 7.5}):
        known.step(look)
    assert known.limits.duty < 0.1
    after = known.step(replace(QUIET, time_s=90.0, dt_s=28.0, running=1))
    assert after.duty == 1.0
