"""An application takes no more than its budget, and the others are not held back for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edge_rt.config.applications import AppBudget
from edge_rt.config.schema import Config
from edge_rt.core.errors import Unavailable
from edge_rt.core.requests import Cost

IDLE_W = 3.0
LIMIT_J = 100.0
TOKENS = 400


def powered(kit: Any, **budgets: AppBudget) -> Any:
    """A house on a board whose draw at rest is known."""
    by_name = {name.replace("others", "*"): budget for name, budget in budgets.items()}
    house = kit.house(Config(applications=by_name))
    house.senses.powered()
    for _ in range(21):
        house.senses.read(IDLE_W, 0.1)
    return house


def long_answer(kit: Any, house: Any) -> list[Any]:
    """An answer of 400 J, if nobody ends it."""
    steps: list[Any] = [kit.started()]
    for token in range(TOKENS):
        steps += [kit.delta(token), kit.passing(house, 0.2)]
    return [*steps, kit.finished()]


async def spent_j(house: Any, app: str) -> float:
    report = await house.energy_meter.ledger(1, 0)
    return sum(row.energy_j for row in report.apps if row.app == app)


def test_answers_end_where_the_budget_is_spent_and_it_is_kept(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit, cam=AppBudget(energy_j=LIMIT_J))
        house.scripts = [long_answer(kit, house)]
        events = await house.answer(app="cam")
        [cost] = [event for event in events if isinstance(event, Cost)]
        assert events[-1].reason == "length"
        assert "the application cam has spent the 100 J of this hour" in cost.why
        assert await spent_j(house, "cam") == pytest.approx(LIMIT_J, rel=0.02)
        with pytest.raises(Unavailable, match=r"applications\.cam") as caught:
            await house.answer(app="cam")
        assert 0 < caught.value.retry_after_s <= 3600
        assert caught.value.code == "app_budget"
        [state] = (await house.energy_meter.ledger(1, 0)).budgets
        assert (state.app, state.limit_j) == ("cam", LIMIT_J)
        assert state.spent_j == pytest.approx(LIMIT_J, rel=0.02)

    kit.run(run())


def test_others_go_on(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit, cam=AppBudget(energy_j=LIMIT_J))
        house.scripts = [long_answer(kit, house), long_answer(kit, house)]
        await house.answer(app="cam")
        events = await house.answer(app="chat")
        assert len([event for event in events if hasattr(event, "tokens")]) == TOKENS
        assert await spent_j(house, "chat") > 3 * LIMIT_J

    kit.run(run())


def test_who_waits_for_the_next_hour_takes_no_place_in_the_queue(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit, cam=AppBudget(energy_j=LIMIT_J, over="queue"))
        house.scripts = [long_answer(kit, house), [kit.started(), kit.finished()]]
        await house.answer(app="cam")
        waits = asyncio.ensure_future(house.answer(app="cam"))
        spending = house.energy_meter.apps.of("cam")
        while not spending.waiting:
            await asyncio.sleep(0)
        assert not house.occupancy.active, "the governor may doze"
        assert await house.answer(app="chat")
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert not spending.waiting

    kit.run(run())


def test_those_without_a_budget_of_their_own_share_one(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit, others=AppBudget(energy_j=LIMIT_J))
        house.scripts = [long_answer(kit, house)]
        await house.answer(app="a")
        with pytest.raises(Unavailable, match="without a budget of their own"):
            await house.answer(app="b")

    kit.run(run())


def test_a_budget_that_cannot_be_watched_lets_nothing_through(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(applications={"cam": AppBudget(energy_j=LIMIT_J)}))
        house.scripts = [[kit.started(), kit.finished()]]
        with pytest.raises(Unavailable, match="nothing tells this board's power") as caught:
            await house.answer(app="cam")
        assert caught.value.retry_after_s is None
        assert await house.answer(app="chat")

    kit.run(run())
