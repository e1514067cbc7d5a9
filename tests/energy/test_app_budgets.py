"""A budget counts what its application's requests take in a clock hour, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
from book_help import Clock, entry, new_book

from edge_rt.config.applications import AppBudget
from edge_rt.core.errors import Unavailable
from edge_rt.energy.account import Account
from edge_rt.energy.app_budgets import AppBudgets, Spending

HOUR_S = 3600.0


def running(energy_j: float) -> Account:
    account = Account(0.0)
    account.decode_s, account.decode_j, account.resolved_s = 1.0, energy_j, 1.0
    return account


def new_budgets(
    clock: Clock,
    above_w: float | None = None,
    booked: dict[str, float] | None = None,
    **by_app: AppBudget,
) -> AppBudgets:
    budgets = {name.replace("others", "*"): budget for name, budget in by_app.items()}

    async def pause(seconds: float) -> None:
        clock.go_by(seconds)

    return AppBudgets(budgets, lambda: above_w, lambda _: booked or {}, clock, pause)


def spending_of(budgets: AppBudgets, app: str) -> Spending:
    spending = budgets.of(app)
    assert spending is not None
    return spending


def test_running_and_ended_requests_count_until_the_hour_is_over() -> None:
    clock = Clock()
    spending = spending_of(new_budgets(clock, cam=AppBudget(energy_j=10.0)), "cam")
    account = running(3.0)
    spending.begin(account)
    account.decode_j += 4.0
    assert spending.spent_j() == pytest.approx(4.0)
    other = running(0.0)
    spending.begin(other)
    other.decode_j = 5.0
    other.settle(1.0, 0.0)
    assert spending.spent_j() == pytest.approx(9.0)
    assert spending.why_spent() is None
    account.decode_j += 2.0
    assert "cam has spent the 10 J of this hour (applications.cam)" in (spending.why_spent() or "")
    clock.go_by(HOUR_S)
    assert spending.spent_j() == 0.0
    account.decode_j += 1.5
    assert spending.spent_j() == pytest.approx(1.5)


def test_joules_that_are_unknown_at_the_end_count_as_they_were_seen() -> None:
    spending = spending_of(new_budgets(Clock(), cam=AppBudget(energy_j=10.0)), "cam")
    account = running(0.0)
    spending.begin(account)
    account.decode_j = 6.0
    assert spending.spent_j() == pytest.approx(6.0)
    account.renew()
    assert account.settle(1.0, 0.0).energy_j is None
    assert spending.spent_j() == pytest.approx(6.0)


def test_applications_that_are_not_named_share_a_budget_which_is_not_the_daemons_own() -> None:
    named, others = AppBudget(energy_j=10.0), AppBudget(energy_j=20.0)
    budgets = new_budgets(Clock(), cam=named, others=others)
    assert budgets.of("a") is budgets.of("b") is not None
    assert budgets.of("cam") is not budgets.of("a")
    assert budgets.of("(edge_rt)") is None
    assert new_budgets(Clock(), cam=named).of("a") is None
    spending_of(budgets, "a").add(20.0)
    why = spending_of(budgets, "b").why_spent() or ""
    assert "without a budget of their own have spent the 20 J" in why


def test_a_share_is_of_what_the_cap_leaves_above_the_idle_draw() -> None:
    quarter = AppBudget(power_share=0.25)
    assert spending_of(new_budgets(Clock(), 4.0, cam=quarter), "cam").limit_j == HOUR_S
    both = AppBudget(power_share=0.25, energy_j=100.0)
    assert spending_of(new_budgets(Clock(), 4.0, cam=both), "cam").limit_j == 100.0
    [uncapped] = new_budgets(Clock(), None, cam=quarter).report()
    assert uncapped.limit_j is None
    assert spending_of(new_budgets(Clock(), -1.0, cam=quarter), "cam").why_spent() is not None


def test_a_request_beyond_it_is_told_when_to_come_again() -> None:
    clock = Clock()
    clock.go_by(600.0)
    budgets = new_budgets(clock, cam=AppBudget(energy_j=10.0))
    spending = spending_of(budgets, "cam")
    asyncio.run(budgets.admit(spending))
    spending.add(10.0)
    with pytest.raises(Unavailable, match="the next hour begins in 3000 s") as caught:
        asyncio.run(budgets.admit(spending))
    assert (caught.value.retry_after_s, caught.value.code) == (3000.0, "app_budget")
    assert asyncio.run(budgets.admit(None)) is None


def test_or_waits_for_the_next_hour() -> None:
    clock = Clock()
    clock.go_by(600.0)
    budgets = new_budgets(clock, cam=AppBudget(energy_j=10.0, over="queue"))
    spending = spending_of(budgets, "cam")
    spending.add(11.0)
    began = clock.now
    asyncio.run(budgets.admit(spending))
    assert clock.now - began == pytest.approx(3000.0, abs=1.0)


def test_of_one_budget_only_so_many_requests_wait() -> None:
    async def run() -> None:
        clock, hour = Clock(), asyncio.Event()
        queued = AppBudget(energy_j=10.0, over="queue")
        apps = {"cam": queued, "door": queued}
        budgets = AppBudgets(apps, lambda: None, lambda _: {}, clock, lambda _: hour.wait(), most=2)
        cam, door = (spending_of(budgets, name) for name in apps)
        cam.add(11.0)
        door.add(11.0)
        waits = [asyncio.ensure_future(budgets.admit(one)) for one in (cam, cam, door)]
        while door.waiting < 1:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="the next hour begins") as refused:
            await budgets.admit(cam)
        assert refused.value.code == "app_budget"
        waits.pop(0).cancel()  # its client leaves
        await asyncio.sleep(0)
        waits.append(asyncio.ensure_future(budgets.admit(cam)))
        await asyncio.sleep(0)
        clock.go_by(HOUR_S)
        hour.set()
        await asyncio.gather(*waits)
        assert cam.waiting == door.waiting == 0

    asyncio.run(run())


def test_what_was_spent_before_the_start_counts_once() -> None:
    async def run() -> None:
        spent = {"cam": 7.0, "a": 1.0, "b": 2.0, "(edge_rt)": 50.0}
        budget = AppBudget(energy_j=10.0)
        budgets = new_budgets(Clock(), booked=spent, cam=budget, others=budget)
        spending = spending_of(budgets, "cam")
        await asyncio.gather(budgets.admit(spending), budgets.admit(spending))
        assert spending.spent_j() == pytest.approx(7.0)
        assert spending_of(budgets, "b").spent_j() == pytest.approx(3.0)

    asyncio.run(run())


def test_the_ledger_tells_what_was_spent_since(tmp_path) -> None:
    clock = Clock()
    book = new_book(tmp_path / "ledger.db", clock)
    book.book(entry(4, ended=clock.now - 10.0, app="cam"))
    book.book(entry(8, app="cam"))
    book.book(entry(8, app="cam", joules=False))
    book.book(entry(8))
    book.flush(everything=True)
    assert book.app_j(clock.now - 5.0) == {"cam": pytest.approx(2.0)}
    assert book.app_j(clock.now - 15.0) == {"cam": pytest.approx(3.0)}
    book.close()
