"""Every request is booked once, with the joules of its own work, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from edge_rt.core.errors import EngineError, RequestError, Unavailable
from edge_rt.core.events import Finished
from edge_rt.core.requests import Cost
from edge_rt.engine.protocol import EngineWork, WorkShare

IDLE_W, BUSY_W = 3.0, 8.0


def powered(kit: Any) -> Any:
    """A house on a board whose draw at rest is known."""
    house = kit.house()
    house.senses.powered()
    for _ in range(21):
        house.senses.read(IDLE_W, 0.1)
    return house


def worked(house: Any, seconds: float, phase: str = "decode") -> Callable[[], None]:
    """The board draws more for a while; the engine tells of it apart."""

    def happen() -> None:
        for _ in range(round(seconds / 0.1)):
            house.senses.read(BUSY_W, 0.1)

    return happen


def told(house: Any, begin_s: float, end_s: float, *, prefill: float = 0.0) -> EngineWork:
    """The engine's word that it worked for this request alone; times after now."""
    busy = end_s - begin_s
    share = WorkShare(0, busy * prefill, busy * (1 - prefill))
    return EngineWork(house.now + begin_s, house.now + end_s, [share])


def test_a_request_pays_for_what_it_adds_to_the_board(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 2.0, prefill=0.25)
        house.scripts = [[kit.started(), worked(house, 2.0), work, kit.delta(1, 2), kit.finished()]]
        events = await house.answer()
        cost, end = events[-2:]
        assert isinstance(end, Finished)
        assert isinstance(cost, Cost)
        assert cost.energy_j == pytest.approx((BUSY_W - IDLE_W) * 2.0)
        assert cost.quality == "measured"
        assert cost.power_w == pytest.approx(BUSY_W)
        assert cost.power_quality == "measured"
        assert (cost.temp_c, cost.seconds) == (51.5, pytest.approx(2.0))
        assert house.senses.hurries == 1
        [entry] = house.book.recent(9)
        assert (entry.model, entry.status, entry.quality) == ("tiny", "done", "measured")
        assert (entry.prompt_tokens, entry.completion_tokens) == (3, 2)
        assert entry.energy_j == cost.energy_j

    kit.run(run())


def test_the_ledger_adds_up(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        for seconds in (1.0, 0.5, 2.0):
            work = told(house, 0.0, seconds)
            house.scripts = [[kit.started(), worked(house, seconds), work, kit.finished()]]
            await house.answer()
            house.senses.read(IDLE_W, 0.5)
        report = await house.service.ledger(days=1, last=10)
        [day], [model] = report.days, report.models
        assert day.energy_j == pytest.approx(house.senses.energy.energy_j - IDLE_W * 0.1)
        assert day.attributed_j + day.unattributed_j == pytest.approx(day.energy_j)
        assert day.attributed_j == pytest.approx(model.energy_j)
        assert model.energy_j == pytest.approx((BUSY_W - IDLE_W) * 3.5)
        assert (model.requests, model.unresolved) == (3, 0)
        assert sum(booking.energy_j or 0.0 for booking in report.last) == pytest.approx(
            model.energy_j
        )

    kit.run(run())


def test_without_a_supply_nothing_is_made_up(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        work = told(house, 0.0, 1.0)
        house.scripts = [[kit.started(), work, kit.finished()]]
        [cost] = [e for e in await house.answer() if isinstance(e, Cost)]
        assert (cost.energy_j, cost.quality, cost.power_w) == (None, "unresolved", None)
        assert cost.power_quality is None
        assert house.senses.hurries == 0
        [entry] = house.book.recent(9)
        assert entry.energy_j is None
        assert entry.busy_s == pytest.approx(1.0)

    kit.run(run())


def test_a_sensor_that_hangs_holds_no_answer_up_for_long(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_rt.energy.meter.READ_S", 0.0)

    async def run() -> None:
        house = powered(kit)
        house.senses.supply.resolution_s = 0.01
        house.senses.hung = True

        def later() -> None:
            house.now += 5.0

        house.scripts = [[kit.started(), later, told(house, 0.0, 5.0), kit.finished()]]
        [cost] = [e for e in await house.answer() if isinstance(e, Cost)]
        assert (cost.energy_j, cost.quality) == (None, "unresolved")

    kit.run(run())


def test_a_request_that_was_broken_off_is_booked_when_the_engine_has_told_of_it(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        wait = asyncio.Event()
        house.scripts = [[kit.started(), worked(house, 1.0), kit.delta(4), wait]]
        async with aclosing(house.generate()) as events:
            await anext(events)
            await anext(events)
        assert house.book.recent(9) == []
        begin = house.now - 1.0
        house.engine.on_work(EngineWork(begin, house.now, [WorkShare(1, 0.0, 1.0)]))
        await house.energy_meter.finish()
        [entry] = house.book.recent(9)
        assert (entry.status, entry.completion_tokens) == ("cancelled", 1)
        assert entry.energy_j == pytest.approx(BUSY_W - IDLE_W)

    kit.run(run())


def test_a_request_that_was_refused_is_not_booked(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.scripts = [[RequestError("too long", param="prompt")]]
        with pytest.raises(RequestError):
            await house.answer()
        house.engine.on_work(EngineWork(house.now, house.now, []))
        await house.energy_meter.finish()
        assert house.book.recent(9) == []

    kit.run(run())


def test_what_is_lost_with_an_engine_is_no_part_of_an_answer(kit: Any) -> None:
    """A second of work is told of, half of one is not, and the next engine takes two to start."""

    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 1.0)
        later = EngineWork(house.now + 3.5, house.now + 4.5, [WorkShare(0, 1.0, 0.0)])

        async def start() -> Any:
            if house.engine.lost.is_set():
                worked(house, 2.0)()
            return await house.connect()

        house.pool._connect = start
        house.scripts = [
            [kit.started(), worked(house, 1.0), work, worked(house, 0.5), kit.delta(1), kit.lost],
            [worked(house, 1.0), later, kit.delta(2), kit.finished()],
        ]
        [cost] = [e for e in await house.answer() if isinstance(e, Cost)]
        assert cost.energy_j == pytest.approx((BUSY_W - IDLE_W) * 2.0)
        await house.energy_meter.finish()
        [done] = house.book.recent(9)
        assert (done.status, done.completion_tokens) == ("done", 2)
        [day] = house.book.totals(1)[1]
        assert (day.requests, day.unresolved) == (1, 0)
        assert day.energy_j == pytest.approx((BUSY_W - IDLE_W) * 2.0)

    kit.run(run())


def test_nothing_is_lost_with_an_engine_that_nobody_waits_for(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.engine.lose(set())
        worked(house, 1.0)()
        await house.answer()
        await house.energy_meter.finish()
        assert [entry.status for entry in house.book.recent(9)] == ["done"]

    kit.run(run())


def test_who_leaves_before_there_is_another_engine_pays_for_what_was_told(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next engine takes its time to start, and the client does not wait for it."""
    monkeypatch.setattr("edge_rt.energy.meter.TOLD_S", 0.0)

    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 1.0)
        house.scripts = [
            [kit.started(), worked(house, 1.0), work, worked(house, 9.0), kit.delta(1), kit.lost]
        ]
        starting = asyncio.Event()

        async def connect() -> Any:
            if house.engine.lost.is_set():
                starting.set()
                await asyncio.Event().wait()
            return house.engine

        monkeypatch.setattr(house.pool, "_connect", connect)
        answer = asyncio.create_task(house.answer())
        await starting.wait()
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        await house.energy_meter.finish()
        [entry] = house.book.recent(9)
        assert entry.status == "cancelled"
        assert entry.energy_j == pytest.approx(BUSY_W - IDLE_W)
        assert entry.busy_s == pytest.approx(1.0)

    kit.run(run())


def test_what_is_drawn_after_an_engine_that_nobody_waits_for_is_nobodys(kit: Any) -> None:
    """A model that ended two engines is refused."""

    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 1.0)
        house.scripts = [
            [kit.started(), worked(house, 1.0), work, kit.lost],
            [worked(house, 0.5), kit.lost],
        ]
        with pytest.raises(Unavailable, match="two engines"):
            await house.answer()
        house.engine.on_work(EngineWork(house.now, house.now, []))
        for _ in range(8):
            await asyncio.sleep(0)
        worked(house, 60.0)()
        await house.energy_meter.finish()
        [failed] = house.book.recent(9)
        assert failed.status == "failed"
        assert failed.energy_j == pytest.approx(BUSY_W - IDLE_W)

    kit.run(run())


def test_nothing_is_lost_by_an_answer_that_was_complete(kit: Any) -> None:
    """The engine ends while the supply is read for the last time of it."""

    async def run() -> None:
        house = powered(kit)
        house.senses.hung = True
        work = told(house, 0.0, 1.0)

        def unread() -> None:
            house.now += 0.05

        house.scripts = [[kit.started(), worked(house, 1.0), work, unread, kit.finished()]]
        answer = asyncio.create_task(house.answer())
        while not house.senses.hurries:
            await asyncio.sleep(0)
        house.engine.lose(set())
        worked(house, 60.0)()
        await answer
        await house.energy_meter.finish()
        assert [entry.status for entry in house.book.recent(9)] == ["done"]

    kit.run(run())


def test_a_request_that_fails_for_good_is_booked_as_failed(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 1.0)
        house.scripts = [[kit.started(), worked(house, 1.0), work, EngineError("broken")]]
        with pytest.raises(EngineError):
            await house.answer()
        house.engine.on_work(EngineWork(house.now, house.now, []))
        await house.energy_meter.finish()
        assert [entry.status for entry in house.book.recent(9)] == ["failed"]

    kit.run(run())


def test_a_client_that_leaves_with_the_last_event_is_booked_once(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 1.0)
        house.scripts = [[kit.started(), worked(house, 1.0), work, kit.finished()]]
        async with aclosing(house.generate()) as events:
            async for event in events:
                if isinstance(event, Cost):
                    break
        await house.energy_meter.finish()
        assert [entry.status for entry in house.book.recent(9)] == ["done"]

    kit.run(run())


def test_work_for_nobody_known_is_nobodys_and_not_the_boards_rest(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        begin = house.now
        load = asyncio.current_task()
        house.pool._loads.add(load)
        worked(house, 1.0)()
        house.pool._loads.remove(load)
        house.engine.on_work(EngineWork(begin, house.now, [WorkShare(77, 0.5, 0.5)]))
        house.senses.read(IDLE_W, 0.1)
        [day] = (await house.service.ledger(days=1, last=1)).days
        assert day.attributed_j == 0.0
        assert house.energy_meter.idle_w == pytest.approx(IDLE_W)

    kit.run(run())


def test_modelled_joules_stay_modelled_when_the_board_comes_to_be_measured(kit: Any) -> None:
    house = kit.house()
    house.senses.powered()
    house.senses.quality = "modelled"
    for _ in range(50):
        house.senses.read(IDLE_W, 0.1)
    house.senses.quality = "measured"  # what has been read was found by the model all the same
    house.energy_meter.post()
    [day] = house.book.totals(1)[0]
    assert (day.quality, day.energy_j) == ("modelled", pytest.approx(IDLE_W * 4.9))


@pytest.mark.parametrize(
    ("quality", "rails"), [("measured", ("PMIC",)), ("modelled", ("VIN",)), ("measured", ("VIN",))]
)
def test_a_request_that_sees_the_supply_change_is_unresolved(
    kit: Any, quality: str, rails: tuple[str, ...]
) -> None:
    async def run() -> None:
        house = powered(kit)
        work = told(house, 0.0, 6.0)

        def change() -> None:
            house.senses.replace(quality, *rails)

        half = worked(house, 3.0)
        house.scripts = [[kit.started(), half, change, half, work, kit.finished()]]
        [cost] = [e for e in await house.answer() if isinstance(e, Cost)]
        assert (cost.energy_j, cost.quality) == (None, "unresolved")
        assert (cost.power_w, cost.power_quality) == (pytest.approx(BUSY_W), quality)
        report = await house.service.ledger(days=1, last=1)
        assert report.days[0].attributed_j == 0.0

    kit.run(run())


def test_another_supply_has_another_draw_at_rest(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.senses.replace("measured", "VIN")  # more of the board than before
        assert house.energy_meter.idle_w is None
        for _ in range(20):
            house.senses.read(IDLE_W + 4.0, 0.1)
        assert house.energy_meter.idle_w == pytest.approx(IDLE_W + 4.0)
        house.scripts = [[kit.started(), worked(house, 2.0), told(house, 0.0, 2.0), kit.finished()]]
        [cost] = [e for e in await house.answer() if isinstance(e, Cost)]
        assert cost.energy_j == pytest.approx((BUSY_W - IDLE_W - 4.0) * 2.0)

    kit.run(run())


def test_the_same_supply_in_another_place_is_known(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.now += 5.0
        house.senses.replace("measured", "VDD_IN")
        assert house.energy_meter.idle_w == pytest.approx(IDLE_W)
        house.senses.read(IDLE_W, 0.1)
        [day] = (await house.service.ledger(days=1, last=1)).days
        assert (day.covered_s, day.missing_s) == (pytest.approx(2.1), pytest.approx(5.0))

    kit.run(run())


def test_tokens_are_counted_while_they_come(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), kit.delta(1, 2, 3), kit.finished()]] * 2
        await house.answer()
        await house.answer()
        status = await house.service.status()
        assert status["tokens"] == {"prompt": 6, "cached": 0, "completion": 6}
        assert status["board"] == {
            "id": None,
            "simulated": False,
            "power_w": None,
            "power_quality": None,
            "idle_w": None,
            "temp_c": None,
            "throttled": None,
        }

    kit.run(run())
