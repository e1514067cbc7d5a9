"""Every joule is somebody's or nobody's; a bill never changes; what is not known stays so."""

from __future__ import annotations

import math

import pytest
from metered import ACTIVE_W, IDLE_W, PERIOD_S, Plant

from edge_rt.board.integral import Energy
from edge_rt.board_model.idle import IdlePower
from edge_rt.energy.account import Account, Bill
from edge_rt.energy.attribution import SETTLING_S, Attribution

ADDED_W = ACTIVE_W - IDLE_W
EDGE_J = 0.5 * ADDED_W * PERIOD_S  # what a trapezoid may be off by where the power steps


def steady(attribution: Attribution, seconds: float, power_w: float, begin_s: float = 0.0) -> float:
    """Readings at ten a second of a board that draws `power_w`; gives the time of the last."""
    before = attribution.totals
    for beat in range(round(seconds / PERIOD_S) + 1):
        covered_s = beat * PERIOD_S
        total = Energy(before.energy_j + power_w * covered_s, before.covered_s + covered_s, 0.0)
        attribution.reading(begin_s + covered_s, total)
    return begin_s + seconds


def told(attribution: Attribution) -> float:
    baseline = attribution._idle.idle_w  # what it learnt shows nowhere else
    assert baseline is not None
    return baseline


def energy_j(bill: Bill) -> float:
    assert bill.energy_j is not None
    return bill.energy_j


def test_a_request_alone_pays_for_what_it_added() -> None:
    plant, attribution = Plant([(2.03, 5.07)]), Attribution(IdlePower())
    plant.until(2.03, attribution)
    account = attribution.open(2.03)
    for step in range(4):
        begin = 2.03 + step * 0.76
        plant.until(begin + 0.76, attribution)
        attribution.told(begin, begin + 0.76, [(account, 0.3, 0.46)])
    bill = attribution.close(account, 5.07)
    assert energy_j(bill) == pytest.approx(ADDED_W * 3.04, abs=2 * EDGE_J)
    assert account.prefill_j == pytest.approx(energy_j(bill) * 0.3 / 0.76)
    assert account.decode_j == pytest.approx(energy_j(bill) * 0.46 / 0.76)
    assert bill.busy_s == pytest.approx(3.04)
    assert bill.power_w == pytest.approx(ACTIVE_W, abs=0.2)
    totals = attribution.totals
    assert totals.attributed_j == pytest.approx(energy_j(bill))
    unattributed_j = totals.energy_j - totals.attributed_j
    assert unattributed_j == pytest.approx(IDLE_W * totals.covered_s, abs=2 * EDGE_J)


def test_another_program_that_ends_as_a_request_begins_leaves_its_joules_known() -> None:
    """The board draws less at work than at rest before, so the last idle time is no measure."""
    attribution = Attribution(IdlePower())
    now_s = steady(attribution, 5.0, IDLE_W)
    now_s = steady(attribution, 10.0, IDLE_W + 6.0, now_s)
    account, begin_s = attribution.open(now_s), now_s
    for _ in range(50):
        now_s = steady(attribution, PERIOD_S, ACTIVE_W, now_s)
        attribution.told(now_s - PERIOD_S, now_s, [(account, 0.0, PERIOD_S)])
    bill = attribution.close(account, now_s)
    assert 0.5 < energy_j(bill) / (ADDED_W * (now_s - begin_s)) <= 1.001
    assert told(attribution) == pytest.approx(IDLE_W, rel=0.05)


@pytest.mark.parametrize("count", [2, 4, 32])
def test_equal_requests_pay_equally_for_all_that_was_added(count: int) -> None:
    plant, attribution = Plant([(2.0, 6.0)]), Attribution(IdlePower(), resolution_s=0.5)
    plant.until(2.0, attribution)
    accounts = [attribution.open(2.0) for _ in range(count)]
    for step in range(80):
        begin = 2.0 + step * 0.05
        plant.until(begin + 0.05, attribution)
        attribution.told(begin, begin + 0.05, [(a, 0.0, 0.04 / count) for a in accounts])
    bills = [attribution.close(account, 6.0) for account in accounts]
    assert [b.energy_j for b in bills] == pytest.approx([energy_j(bills[0])] * count)
    assert sum(map(energy_j, bills)) == pytest.approx(ADDED_W * 4.0, abs=2 * EDGE_J)
    assert sum(map(energy_j, bills)) == pytest.approx(attribution.totals.attributed_j)


def brief(attribution: Attribution, plant: Plant, at_s: float, busy_s: float) -> Bill:
    """A request that begins at `at_s` and is over before the meter can tell."""
    account = attribution.open(at_s)
    plant.until(at_s + busy_s + 0.02, attribution)  # read at once, as an answer has ended
    attribution.told(at_s, at_s + busy_s, [(account, busy_s, 0.0)])
    return attribution.close(account, at_s + busy_s)


def test_what_is_too_short_for_the_meter_pays_what_busy_seconds_cost_of_late() -> None:
    plant = Plant([(2.0, 4.0), (5.03, 5.04)])
    attribution = Attribution(IdlePower(), resolution_s=PERIOD_S)
    plant.until(2.0, attribution)
    long = attribution.open(2.0)
    plant.until(4.0, attribution)
    attribution.told(2.0, 4.0, [(long, 0.0, 2.0)])
    assert not attribution.close(long, 4.0).modelled
    bill = brief(attribution, plant, 5.03, 0.01)
    assert bill.modelled
    assert energy_j(bill) == pytest.approx(ADDED_W * 0.01, rel=0.1)
    totals = attribution.totals
    assert totals.attributed_j == pytest.approx(energy_j(bill) + long.energy_j)


def test_what_is_too_short_for_the_meter_pays_no_more_than_nobody_has_paid_for_yet() -> None:
    """Else the joules of all accounts would be more than the supply's."""
    attribution = Attribution(IdlePower(0.0), resolution_s=2.0)
    attribution.reading(0.0, Energy(0.0, 0.0, 0.0))
    long = attribution.open(0.0)
    attribution.reading(2.0, Energy(24.4, 2.0, 0.0))
    attribution.told(0.0, 2.0, [(long, 0.0, 2.0)])
    assert energy_j(attribution.close(long, 2.0)) == pytest.approx(24.4)
    short = attribution.open(2.0)
    attribution.reading(3.0, Energy(25.3, 3.0, 0.0))
    attribution.told(2.0, 3.0, [(short, 0.0, 1.0)])
    assert energy_j(attribution.close(short, 3.0)) == pytest.approx(0.9)
    assert attribution.totals.attributed_j == pytest.approx(25.3)


def test_many_that_are_too_short_pay_what_they_added_together() -> None:
    """Each alone leaves a trace in the readings by chance only."""
    begins_s = [2.0 + 0.237 * i for i in range(400)]
    plant = Plant([(begin, begin + 0.05) for begin in begins_s])
    attribution = Attribution(IdlePower(), resolution_s=PERIOD_S)
    bills = [brief(attribution, plant, begin, 0.05) for begin in begins_s]
    known = [energy_j(bill) for bill in bills if bill.resolved]
    assert all(bill.modelled for bill in bills if bill.resolved)
    assert len(known) >= 0.95 * len(bills)
    assert sum(known) / len(known) == pytest.approx(ADDED_W * 0.05, rel=0.4)


def test_shares_go_by_busy_time_whenever_it_is_told() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    one, two = attribution.open(0.0), attribution.open(0.0)
    now = steady(attribution, 3.0, ACTIVE_W)
    assert attribution.totals.attributed_j == 0.0
    attribution.told(0.0, 3.0, [(one, 2.0, 0.0), (two, 0.0, 1.0)])
    assert one.energy_j == pytest.approx(2 * two.energy_j)
    assert energy_j(attribution.close(one, now)) == pytest.approx(ADDED_W * 2.0)
    assert energy_j(attribution.close(two, now)) == pytest.approx(ADDED_W * 1.0)


def test_work_of_nobody_known_is_nobodys() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    now = steady(attribution, 1.0, ACTIVE_W)
    attribution.told(0.0, 1.0, [(account, 0.25, 0.0), (None, 0.75, 0.0)])
    assert energy_j(attribution.close(account, now)) == pytest.approx(0.25 * ADDED_W)
    totals = attribution.totals
    assert totals.energy_j - totals.attributed_j == pytest.approx(IDLE_W + 0.75 * ADDED_W)


def test_an_early_bill_is_final_and_leaves_the_rest_to_the_others() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    one, two = attribution.open(0.0), attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    attribution.told(0.0, 1.0, [(one, 0.5, 0.0), (two, 0.5, 0.0)])
    attribution.told(1.0, 1.04, [(one, 0.02, 0.0), (two, 0.02, 0.0)])
    attribution.reading(1.1, Energy(8.8, 1.1, 0.0))
    # Of the last window 0.04 s are told; `two` is taken to keep the engine busy for the rest.
    bill = attribution.close(one, 1.1)
    assert energy_j(bill) == pytest.approx(ADDED_W * 0.52)
    attribution.told(1.04, 1.1, [(two, 0.0, 0.06)])
    assert energy_j(attribution.close(two, 1.1)) == pytest.approx(ADDED_W * 0.58)
    assert attribution.close(one, 9.9) is bill
    assert attribution.totals.attributed_j == pytest.approx(ADDED_W * 1.1)


def test_who_came_later_is_taken_to_work_from_then_on_only() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    one = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    attribution.told(0.0, 1.04, [(one, 1.04, 0.0)])
    attribution.open(1.08)
    attribution.reading(1.1, Energy(ACTIVE_W * 1.1, 1.1, 0.0))
    share = 0.04 / (0.04 + 0.02)
    assert energy_j(attribution.close(one, 1.1)) == pytest.approx(ADDED_W * (1.0 + 0.1 * share))


def test_what_is_told_of_a_closed_request_is_nobodys() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    one, two = attribution.open(0.0), attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    bill = attribution.close(one, 1.0)
    attribution.told(0.0, 1.0, [(one, 0.5, 0.0), (two, 0.5, 0.0)])
    assert (bill.energy_j, one.bill, one.busy_s) == (0.0, bill, 0.0)
    assert two.energy_j == pytest.approx(0.5 * ADDED_W)


def test_work_after_the_last_reading_is_not_covered() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    long, short = attribution.open(0.0), attribution.open(0.0)
    steady(attribution, 2.0, ACTIVE_W)
    attribution.told(0.0, 2.05, [(long, 2.05, 0.0)])
    attribution.told(1.9, 2.1, [(short, 0.2, 0.0)])
    assert attribution.close(long, 2.1).resolved
    assert not attribution.close(short, 2.1).resolved
    assert attribution.totals.attributed_j == pytest.approx(long.energy_j)


def test_a_window_that_comes_after_the_word_of_it_is_shared_all_the_same() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    now = steady(attribution, 1.0, IDLE_W)
    account = attribution.open(now)
    attribution.told(1.0, 1.06, [(account, 0.06, 0.0)])
    attribution.told(1.06, 1.14, [(account, 0.0, 0.08)])
    attribution.reading(1.14, Energy(IDLE_W * 1.0 + ACTIVE_W * 0.14, 1.14, 0.0))
    assert account.prefill_j == pytest.approx(ADDED_W * 0.06)
    assert account.decode_j == pytest.approx(ADDED_W * 0.08)


def test_a_long_span_waits_for_all_its_windows() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    now = steady(attribution, 1.0, IDLE_W)
    account = attribution.open(now)
    attribution.told(1.0, 1.35, [(account, 0.35, 0.0)])
    steady(attribution, 0.3, ACTIVE_W, now)
    assert account.energy_j == pytest.approx(ADDED_W * 0.3)
    assert len(attribution._ahead) == 1
    attribution.reading(1.4, Energy(attribution.totals.energy_j + 0.8, 1.4, 0.0))
    assert not attribution._ahead


def test_a_gap_is_not_bridged() -> None:
    plant = Plant([(2.0, 4.0)], missing=[(2.5, 3.0)])
    attribution = Attribution(IdlePower(), hold_s=0.3)
    plant.until(2.0, attribution)
    short, long = attribution.open(2.0), attribution.open(2.0)
    plant.until(3.0, attribution)
    attribution.told(2.0, 3.0, [(short, 1.0, 0.0)])
    assert not attribution.close(short, 3.0).resolved
    plant.until(32.0, attribution)
    attribution.told(3.0, 32.0, [(long, 29.0, 0.0)])
    totals = attribution.totals
    assert totals.missing_s == pytest.approx(0.6)
    assert totals.covered_s + totals.missing_s == pytest.approx(32.0 - PERIOD_S)
    assert totals.energy_j == pytest.approx(plant.meter.total().energy_j)


def test_a_counter_that_was_silent_tells_of_the_time_in_between() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    for beat in range(1, 6):
        attribution.reading(1.0 + 0.1 * beat, Energy(ACTIVE_W, 1.0, 0.1 * beat))
    attribution.told(0.0, 1.6, [(account, 1.6, 0.0)])
    attribution.reading(1.6, Energy(ACTIVE_W * 1.6, 1.6, 0.0))
    assert energy_j(attribution.close(account, 1.6)) == pytest.approx(ADDED_W * 1.6)
    assert attribution.totals.missing_s == pytest.approx(0.0)


def test_a_counter_that_was_silent_for_long_does_not_charge_who_comes_then() -> None:
    attribution = Attribution(IdlePower(IDLE_W), hold_s=5.0)
    now = steady(attribution, 1.0, IDLE_W)
    for beat in range(1, 101):
        attribution.reading(now + beat, Energy(IDLE_W, 1.0, float(beat)))
    account = attribution.open(101.0)
    attribution.told(101.0, 102.0, [(account, 1.0, 0.0)])
    attribution.reading(102.0, Energy(IDLE_W * 101.0 + ACTIVE_W, 102.0, 0.0))
    assert energy_j(attribution.close(account, 102.0)) <= ADDED_W


def test_another_meter_starts_anew() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    attribution.reading(1.5, Energy(0.0, 0.0, 0.0))
    attribution.reading(2.5, Energy(ACTIVE_W, 1.0, 0.0))
    attribution.told(0.0, 2.5, [(account, 2.5, 0.0)])
    totals = attribution.totals
    assert (totals.energy_j, totals.covered_s, totals.missing_s) == (16.0, 2.0, 0.5)
    assert account.energy_j == pytest.approx(2 * ADDED_W)
    assert not attribution.close(account, 2.5).resolved


def test_readings_that_do_not_advance_are_left_out() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    steady(attribution, 1.0, ACTIVE_W)
    before = attribution.totals
    attribution.reading(1.0, Energy(99.0, 99.0, 0.0))
    attribution.reading(0.5, Energy(0.0, 0.0, 0.0))
    assert attribution.totals == before


def test_without_a_meter_nothing_is_known_and_nothing_is_kept() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    for step in range(100):
        attribution.told(step * 0.1, step * 0.1 + 0.1, [(account, 0.0, 0.1)])
    assert not attribution._ahead
    bill = attribution.close(account, 10.0)
    assert (bill.energy_j, bill.power_w, bill.busy_s) == (None, None, pytest.approx(10.0))


def test_a_meter_that_fell_silent_leaves_nothing_to_pile_up() -> None:
    attribution = Attribution(IdlePower(IDLE_W), hold_s=2.0)
    steady(attribution, 1.0, ACTIVE_W)
    account = attribution.open(1.0)
    for step in range(1000):
        attribution.told(1.0 + step * 0.1, 1.1 + step * 0.1, [(account, 0.0, 0.1)])
    assert len(attribution._ahead) <= 22


def test_a_baseline_that_is_not_known_leaves_bills_open() -> None:
    attribution = Attribution(IdlePower())
    account = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    attribution.told(0.0, 1.0, [(account, 1.0, 0.0)])
    bill = attribution.close(account, 1.0)
    assert not bill.resolved
    assert bill.power_w == pytest.approx(ACTIVE_W)
    assert attribution.totals.attributed_j == 0.0


def test_work_that_shows_in_no_joule_is_unresolved() -> None:
    attribution = Attribution(IdlePower())
    now = steady(attribution, 1.0, IDLE_W)
    account = attribution.open(now)
    attribution.told(1.0, 2.0, [(account, 1.0, 0.0)])
    steady(attribution, 1.0, IDLE_W, now)
    assert attribution.close(account, 2.0).energy_j is None


def test_an_engine_that_hangs_holds_windows_for_a_while_only() -> None:
    attribution = Attribution(IdlePower(IDLE_W), hold_s=2.0)
    account = attribution.open(0.0)
    steady(attribution, 10.0, ACTIVE_W)
    assert len(attribution._pending) <= 21
    attribution.told(0.0, 10.0, [(account, 10.0, 0.0)])
    assert account.energy_j == pytest.approx(2.0 * ADDED_W, rel=0.06)
    assert not attribution.close(account, 10.0).resolved
    assert attribution.totals.attributed_j == pytest.approx(0.0, abs=1e-9)


def test_what_a_lost_engine_told_nothing_of_is_nobodys() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    attribution.told(0.0, 0.6, [(account, 0.6, 0.0)])
    attribution.lost(1.0)
    assert not attribution._pending
    steady(attribution, 1.0, ACTIVE_W, 1.0)  # the next one starts in half of it
    attribution.told(1.5, 2.0, [(account, 0.5, 0.0)])
    assert energy_j(attribution.close(account, 2.0)) == pytest.approx(1.1 * ADDED_W)
    assert attribution.totals.attributed_j == pytest.approx(1.1 * ADDED_W)


def test_what_a_lost_engine_took_is_no_price_of_work() -> None:
    attribution = Attribution(IdlePower(IDLE_W), resolution_s=0.5)
    waiting = attribution.open(0.0)
    attribution.reading(0.0, Energy())
    steady(attribution, 2.0, ACTIVE_W)
    attribution.told(0.0, 0.0, [])
    attribution.lost(2.0)
    attribution.told(2.0, 2.1, [(waiting, 0.1, 0.0)])
    assert not attribution.close(waiting, 2.1).modelled


def test_an_engine_lost_unnoticed_settles_when_requests_end() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    attribution.told(0.0, 0.5, [(account, 0.5, 0.0)])
    assert energy_j(attribution.close(account, 1.0)) == pytest.approx(0.5 * ADDED_W)
    assert not attribution._pending


def test_idle_windows_teach() -> None:
    attribution = Attribution(IdlePower(9.0))
    steady(attribution, 1.0, IDLE_W)
    assert told(attribution) == pytest.approx(IDLE_W)


def test_windows_in_which_somebody_waits_teach_nothing() -> None:
    attribution = Attribution(IdlePower(9.0))
    account = attribution.open(0.0)
    steady(attribution, 1.0, IDLE_W)
    attribution.close(account, 1.0)
    assert told(attribution) == 9.0


def test_windows_just_after_work_teach_nothing() -> None:
    attribution = Attribution(IdlePower(9.0))
    attribution.close(attribution.open(0.0), 0.05)
    steady(attribution, SETTLING_S, ACTIVE_W)
    assert told(attribution) == 9.0
    steady(attribution, 1.0, IDLE_W, SETTLING_S)
    assert told(attribution) == pytest.approx(IDLE_W)


def test_work_of_nobody_known_teaches_nothing() -> None:
    attribution = Attribution(IdlePower(9.0))
    attribution.told(0.0, 1.0, [(None, 0.5, 0.0)])
    steady(attribution, 1.0, ACTIVE_W)
    assert told(attribution) == 9.0


def test_loading_a_model_teaches_nothing() -> None:
    attribution = Attribution(IdlePower(9.0))
    attribution.loading = True
    assert attribution.loading
    now = steady(attribution, 1.0, ACTIVE_W)
    attribution.loading = False
    now = steady(attribution, SETTLING_S, ACTIVE_W, now)
    assert told(attribution) == 9.0
    now = steady(attribution, 1.0, IDLE_W, now)
    assert told(attribution) == pytest.approx(IDLE_W)
    attribution.loading = True  # between two readings
    attribution.loading = False
    attribution.reading(now + 0.1, Energy(attribution.totals.energy_j + 5.0, 99.0, 0.0))
    assert told(attribution) == pytest.approx(IDLE_W)


def test_a_request_that_waits_for_a_model_takes_nothing() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    account = attribution.open(0.0)
    steady(attribution, 1.0, ACTIVE_W)
    bill = attribution.close(account, 1.0)
    assert (bill.energy_j, bill.busy_s) == (0.0, 0.0)
    assert bill.power_w == pytest.approx(ACTIVE_W)
    totals = attribution.totals
    assert totals.energy_j - totals.attributed_j == pytest.approx(ACTIVE_W)


def test_power_is_the_boards_over_the_requests_own_life() -> None:
    attribution = Attribution(IdlePower(IDLE_W))
    steady(attribution, 1.0, IDLE_W)
    account: Account = attribution.open(1.05)
    assert account.power_w is None
    attribution.reading(1.1, Energy(3.8, 1.1, 0.0))  # 8 W in this window
    steady_end = Energy(3.8 + 0.1 * 4.0, 1.2, 0.0)
    attribution.reading(1.2, steady_end)
    power = attribution.close(account, 1.2).power_w
    assert power == pytest.approx((0.05 * 8.0 + 0.1 * 4.0) / 0.15)
    assert not math.isnan(power)
