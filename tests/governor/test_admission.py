"""Requests go in, wait or are sent away as the limits say, and leaving harms nobody."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edge_rt.core.errors import Unavailable
from edge_rt.core.limits import Limits
from edge_rt.governor.admission import RETRY_S, Admission

OPEN = Limits(2)
QUEUE = Limits(2, admission="queue")
REFUSE = Limits(2, admission="refuse", retry_after_s=40.0, bound_by="power_w", why="no watts")
LIGHT = Limits(2, heavy=False)


class Gate:
    """An admission, and who has got in or was sent away, in that order."""

    def __init__(self, limits: Limits) -> None:
        self.admission = Admission(limits)
        self.log: list[str] = []

    def come(self, name: str, *, loads: bool = False) -> asyncio.Task[None]:
        async def enter() -> None:
            try:
                await self.admission.enter(loads)
            except Unavailable:
                self.log.append(f"{name} sent away")
            else:
                self.log.append(name)

        return asyncio.create_task(enter())

    async def settle(self) -> list[str]:
        for _ in range(5):
            await asyncio.sleep(0)
        return self.log


def gate(limits: Limits) -> Callable[[Callable[[Gate], Awaitable[None]]], None]:
    """Run the decorated test in a loop that hears every complaint."""

    def run(test: Callable[[Gate], Awaitable[None]]) -> None:
        complaints: list[Any] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
            await asyncio.wait_for(test(Gate(limits)), 10)

        asyncio.run(main())
        gc.collect()
        assert complaints == []

    return run


def test_with_open_doors_nobody_waits() -> None:
    @gate(OPEN)
    async def _(gate: Gate) -> None:
        gate.come("a", loads=True)
        gate.come("b")
        assert await gate.settle() == ["a", "b"]
        assert gate.admission.waiting == 0


def test_the_queue_waits_until_the_doors_open_and_keeps_its_order() -> None:
    @gate(QUEUE)
    async def _(gate: Gate) -> None:
        for name in "abc":
            gate.come(name, loads=name == "b")
        assert await gate.settle() == []
        assert gate.admission.waiting == 3
        gate.admission.update(QUEUE)
        assert await gate.settle() == []
        gate.admission.update(OPEN)
        gate.come("late")
        assert await gate.settle() == ["a", "b", "c", "late"]
        assert gate.admission.waiting == 0


def test_nobody_is_let_in_by_a_door_that_closed_at_once() -> None:
    @gate(QUEUE)
    async def _(gate: Gate) -> None:
        gate.come("a")
        await gate.settle()
        gate.admission.update(OPEN)
        gate.admission.update(QUEUE)  # before anybody ran: who had the turn keeps it
        gate.come("b")
        assert await gate.settle() == ["a"]
        assert gate.admission.waiting == 1


def test_refusal_says_why_and_when_to_come_again() -> None:
    @gate(REFUSE)
    async def _(gate: Gate) -> None:
        with pytest.raises(Unavailable, match="no watts") as caught:
            await gate.admission.enter(False)
        assert (caught.value.retry_after_s, caught.value.code) == (40.0, "budget")
        assert gate.admission.waiting == 0


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(1, admission="refuse", guard="evacuate", bound_by="guard"), "too_hot"),
        (Limits(1, admission="refuse", guard="evacuate", bound_by="energy_j"), "too_hot"),
        (Limits(1, admission="refuse", bound_by="temp_c"), "too_hot"),
        (Limits(1, admission="refuse", bound_by="energy_j"), "budget"),
        (Limits(1, admission="refuse", guard="hold", bound_by="energy_j"), "budget"),
    ],
)
def test_heat_and_budget_are_told_apart(limits: Limits, code: str) -> None:
    @gate(limits)
    async def _(gate: Gate) -> None:
        with pytest.raises(Unavailable) as caught:
            await gate.admission.enter(False)
        assert caught.value.code == code
        assert caught.value.retry_after_s == RETRY_S


def test_refusal_sends_the_queue_away_too() -> None:
    @gate(QUEUE)
    async def _(gate: Gate) -> None:
        gate.come("a")
        gate.come("b", loads=True)
        await gate.settle()
        gate.admission.update(REFUSE)
        gate.admission.update(REFUSE)
        assert await gate.settle() == ["a sent away", "b sent away"]
        assert gate.admission.waiting == 0
        gate.admission.update(OPEN)
        gate.come("c")
        assert (await gate.settle())[-1] == "c"


def test_who_needs_no_model_loaded_passes_who_does() -> None:
    @gate(LIGHT)
    async def _(gate: Gate) -> None:
        gate.come("heavy", loads=True)
        gate.come("light")
        assert await gate.settle() == ["light"]
        assert gate.admission.waiting == 1
        gate.admission.update(QUEUE)
        gate.come("another")
        await gate.settle()
        gate.admission.update(LIGHT)
        assert await gate.settle() == ["light", "another"]
        gate.admission.update(OPEN)
        assert await gate.settle() == ["light", "another", "heavy"]


def test_a_client_that_leaves_the_queue_is_forgotten() -> None:
    @gate(QUEUE)
    async def _(gate: Gate) -> None:
        first, second = gate.come("a"), gate.come("b")
        await gate.settle()
        first.cancel()
        await gate.settle()
        assert gate.admission.waiting == 1
        gate.admission.update(OPEN)
        assert await gate.settle() == ["b"]
        assert first.cancelled()
        assert second.done()


@pytest.mark.parametrize("limits", [OPEN, REFUSE])
def test_a_client_that_leaves_when_its_turn_comes_holds_nobody_up(limits: Limits) -> None:
    @gate(QUEUE)
    async def _(gate: Gate) -> None:
        first = gate.come("a")
        gate.come("b")
        await gate.settle()
        gate.admission.update(limits)
        first.cancel()  # before it could run
        assert len(await gate.settle()) == 1
        assert gate.log[0].startswith("b")
        assert first.cancelled()
        assert gate.admission.waiting == 0


def test_who_waits_is_told_that_the_daemon_stops() -> None:
    @gate(QUEUE)
    async def _(gate: Gate) -> None:
        gate.come("waiting")
        await gate.settle()
        gate.admission.close()
        gate.admission.update(OPEN)
        gate.come("late")
        assert await gate.settle() == ["waiting sent away", "late sent away"]


def test_who_needs_a_model_loaded_is_not_passed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_rt.governor.admission.LOAD_S", 0.05)

    @gate(LIGHT)
    async def _(gate: Gate) -> None:
        heavy = gate.come("heavy", loads=True)
        gate.come("light")
        await heavy
        assert gate.log == ["light", "heavy sent away"]
        assert gate.admission.waiting == 0
