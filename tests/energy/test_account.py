"""A bill is what is known, or nothing."""

from __future__ import annotations

import pytest

from edge_rt.energy.account import Account


def served(resolved_s: float = 2.0, joules: float = 10.0) -> Account:
    account = Account(100.0)
    account.work(101.0, 104.0, 0.5, 1.5)
    account.charge(0.25 * joules, 0.75 * joules, resolved_s)
    return account


def test_a_resolved_bill_is_the_sum_of_its_phases() -> None:
    account = served()
    bill = account.settle(105.0, 0.1)
    assert (bill.energy_j, account.prefill_j, account.decode_j) == (10.0, 2.5, 7.5)
    assert (bill.busy_s, bill.resolved) == (2.0, True)


def test_who_never_got_the_engine_took_nothing() -> None:
    bill = Account(100.0).settle(130.0, 0.1)
    assert (bill.energy_j, bill.busy_s, bill.power_w) == (0.0, 0.0, None)
    assert bill.resolved


@pytest.mark.parametrize(
    ("account", "resolution_s"),
    [
        (served(resolved_s=1.89), 0.0),  # 5 % of its time and more is not covered
        (served(joules=0.0), 0.0),  # nothing was seen though it worked
        (served(joules=0.0), 3.1),  # nor is there a price
    ],
)
def test_what_is_not_known_is_unresolved_and_never_zero(
    account: Account, resolution_s: float
) -> None:
    bill = account.settle(105.0, resolution_s)
    assert (bill.energy_j, account.prefill_j, account.decode_j) == (None, 0.0, 0.0)
    assert not bill.resolved
    assert bill.busy_s == 2.0
    assert account.energy_j == 0.0


def test_time_in_the_queue_does_not_count_as_being_served() -> None:
    account = Account(0.0)
    account.work(50.0, 50.05, 0.05, 0.0)
    account.charge(1.0, 0.0, 0.05)
    assert account.served_s == pytest.approx(0.05)
    assert account.settle(60.0, 0.1).modelled


def test_turns_of_others_count_as_being_served() -> None:
    account = Account(0.0)
    for turn in range(10):
        account.work(turn * 0.1, turn * 0.1 + 0.1, 0.0, 0.01)
    account.charge(0.0, 1.0, 0.1)
    bill = account.settle(1.0, 0.5, price_w=9.0)
    assert bill.energy_j == pytest.approx(1.0)
    assert not bill.modelled


def test_who_was_served_for_less_than_the_meter_resolves_pays_the_price() -> None:
    account = served()
    bill = account.settle(105.0, 3.1, price_w=3.0)  # served for 3 s
    assert (bill.energy_j, account.prefill_j, account.decode_j) == (6.0, 1.5, 4.5)
    assert bill.modelled


def test_without_a_price_it_pays_its_part_of_the_window() -> None:
    bill = served().settle(105.0, 3.1)
    assert (bill.energy_j, bill.modelled) == (10.0, True)


def test_a_price_makes_nothing_known_of_time_without_readings() -> None:
    assert not served(resolved_s=1.0).settle(105.0, 3.1, price_w=3.0).resolved


def test_work_of_no_length_is_no_service() -> None:
    account = Account(0.0)
    account.work(1.0, 2.0, 0.0, 0.0)
    assert account.served_s == 0.0
    assert account.settle(3.0, 0.1).energy_j == 0.0


def test_after_the_engine_was_lost_nothing_is_known() -> None:
    account = Account(0.0)
    account.torn = True
    assert not account.settle(1.0, 0.0).resolved


def test_power_is_the_mean_of_what_was_felt() -> None:
    account = Account(0.0)
    account.feel(3.0, 1.0)
    account.feel(8.0, 0.5)
    assert account.power_w == pytest.approx(11.0 / 1.5)
