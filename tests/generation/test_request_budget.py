"""A request takes no more than it says, and is told when that is too little."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from edge_rt.core.decoding import Made, Mode
from edge_rt.core.errors import RequestError, Unavailable
from edge_rt.core.events import Finished
from edge_rt.core.requests import Cost, Plan
from edge_rt.core.routing import Prediction
from edge_rt.energy.account import Account
from edge_rt.generation.request_budget import TICK_S

IDLE_W = 3.0
LASTS = asyncio.Event  # what a script waits for that goes on and on


def powered(kit: Any) -> Any:
    """A house on a board whose draw at rest is known."""
    house = kit.house()
    house.senses.powered()
    for _ in range(21):
        house.senses.read(IDLE_W, 0.1)
    return house


def foretold(seconds: float, energy_j: float | None) -> Prediction:
    return Prediction(seconds, seconds, 0.0, energy_j, None, None, 0.1, 0.1, "learnt")


def cost_of(events: list[Any]) -> Cost:
    [cost] = [event for event in events if isinstance(event, Cost)]
    return cost


def test_an_answer_ends_as_it_is_when_its_time_is_over(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.scripts = [
            [
                kit.passing(house, 0.5),
                kit.started(),
                kit.passing(house, 1.0),
                kit.delta(1, 2),
                kit.passing(house, 2.0),
                LASTS(),
            ]
        ]
        events = await house.answer(deadline_s=house.now + 3.0)
        assert events[:2] == [kit.started(), kit.delta(1, 2)]
        cost, end = events[2:]
        assert isinstance(end, Finished)
        assert (end.index, end.reason) == (0, "length")
        times = end.timings
        assert (times.queue_s, times.prefill_s, times.decode_s) == pytest.approx((0.5, 1.0, 2.0))
        assert (times.prompt_tokens, times.completion_tokens) == (3, 2)
        assert "latency_s" in cost.why
        assert cost.energy_j == pytest.approx((kit.busy_w - IDLE_W) * 3.5)
        assert (house.open, house.occupancy.active) == (0, 0)
        [entry] = house.book.recent(9)
        assert (entry.status, entry.completion_tokens) == ("done", 2)

    kit.run(run())


def test_an_answer_ends_when_its_joules_are_spent(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        steps: list[Any] = [kit.started()]
        for token in range(40):
            steps += [kit.delta(token), kit.passing(house, 0.2)]
        house.scripts = [steps]
        events = await house.answer(energy_j=4.0)
        cost = cost_of(events)
        assert 3.0 < cost.energy_j <= 5.0
        assert "energy_j" in cost.why
        assert events[-1].reason == "length"
        assert 2 < events[-1].timings.completion_tokens < 8

    kit.run(run())


def test_an_answer_that_ends_early_tells_who_made_it(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        made = Made(large=2, accepted=1, rejected=3)
        house.scripts = [
            [
                kit.started(),
                replace(kit.delta(1, 2), made=made),
                replace(kit.delta(3, 4, index=1), made=made),
                replace(kit.finished(1), made=made),
                kit.passing(house, 2.0),
                LASTS(),
            ]
        ]
        *_, end = await house.answer(n=2, mode=Mode("lookup"), deadline_s=house.now + 1.5)
        assert (end.index, end.reason, end.made) == (0, "length", made)
        [entry] = house.book.recent(9)
        assert (entry.large_tokens, entry.accepted_tokens, entry.rejected_tokens) == (4, 2, 6)

    kit.run(run())


def test_each_answer_that_is_not_done_gets_an_end_and_the_cost_comes_before_the_last(
    kit: Any,
) -> None:
    async def run() -> None:
        house = powered(kit)
        house.scripts = [
            [
                kit.started(),
                kit.delta(1),
                kit.delta(2, index=1),
                kit.finished(1),
                kit.passing(house, 5.0),
                LASTS(),
            ]
        ]
        *_, first, cost, last = await house.answer(n=3, deadline_s=house.now + 4.0)
        assert [(end.index, end.reason) for end in (first, last)] == [(0, "length"), (2, "length")]
        assert isinstance(cost, Cost)
        assert last.timings.completion_tokens == 0

    kit.run(run())


def test_what_is_done_in_time_ends_as_ever(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.scripts = [[kit.started(), kit.delta(1), kit.passing(house, 1.0), kit.finished()]]
        events = await house.answer(deadline_s=house.now + 9.0, energy_j=100.0)
        assert events[-1] == kit.finished()
        assert cost_of(events).why is None

    kit.run(run())


def test_who_waits_for_too_long_is_sent_away(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.governor_loop.allow(admission="queue")
        waiting = asyncio.ensure_future(house.answer(deadline_s=house.now + 2.0))
        while not house.governor_loop.admission.waiting:
            await asyncio.sleep(0)
        house.now += 3.0
        with pytest.raises(Unavailable, match="latency_s") as caught:
            await waiting
        assert caught.value.code == "latency"
        assert (house.governor_loop.admission.waiting, house.occupancy.active) == (0, 0)
        assert house.asked == []

    kit.run(run())


def test_an_answer_goes_on_in_the_next_engine_within_its_time(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.scripts = [
            [kit.started(), kit.delta(1), kit.passing(house, 1.0), kit.lost],
            [kit.delta(2), kit.passing(house, 2.0), LASTS()],
        ]
        events = await house.answer(deadline_s=house.now + 2.5)
        assert events[-1].timings.completion_tokens == 2
        assert cost_of(events).quality == "measured"

    kit.run(run())


def test_joules_that_are_lost_to_sight_are_not_promised_any_more(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        other = partial(house.senses.replace, "modelled", "VDD_IN")
        house.scripts = [
            [kit.started(), kit.delta(1), kit.passing(house, 0.5), other, kit.delta(2), LASTS()],
        ]
        events = await house.answer(energy_j=100.0)
        assert "are unknown" in cost_of(events).why
        assert events[-1].reason == "length"

    kit.run(run())


@pytest.mark.parametrize(
    ("limit", "least", "param"),
    [
        ({"latency": 1.0}, foretold(2.0, None), "edge.latency_s"),
        ({"energy_j": 1.0}, foretold(0.5, 2.0), "edge.energy_j"),
    ],
)
def test_what_cannot_be_met_is_refused_before_anything_is_said(
    kit: Any, limit: dict[str, float], least: Prediction, param: str
) -> None:
    async def run() -> None:
        house = powered(kit)
        house.routing.least = lambda entry, *tokens: least
        house.scripts = [[kit.started(), kit.delta(1), kit.finished()]] * 2
        limits = {"deadline_s": house.now + limit["latency"]} if "latency" in limit else limit
        with pytest.raises(RequestError, match=param) as caught:
            await house.answer(**limits)
        assert caught.value.param == param
        assert (house.open, house.occupancy.active) == (0, 0)
        generous = {name: 10.0 * value for name, value in limits.items()}
        assert (await house.answer(**generous))[-1] == kit.finished()

    kit.run(run())


def test_a_prediction_that_may_be_a_little_off_refuses_nobody(kit: Any) -> None:
    async def run() -> None:
        house = powered(kit)
        house.routing.least = lambda *_: foretold(1.05, 1.05)
        house.scripts = [[kit.started(), kit.finished()]]
        events = await house.answer(deadline_s=house.now + 1.0, energy_j=1.0)
        assert events[-1] == kit.finished()

    kit.run(run())


def test_joules_cannot_be_kept_without_a_meter(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        with pytest.raises(RequestError) as refused:
            await house.answer(energy_j=5.0)
        assert refused.value.param == "edge.energy_j"
        assert house.asked == []

    kit.run(run())


def test_a_limit_of_joules_waits_for_the_first_idle_time(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.senses.powered()
        house.scripts = [[kit.started(), kit.delta(1), kit.passing(house, 1.0), kit.finished()]]
        answer = asyncio.create_task(house.answer(energy_j=100.0))
        asked = 0
        while not house.asked:
            house.senses.read(IDLE_W, 0.1)
            await asyncio.sleep(0)
            asked += 1
        assert 1 < asked < 50
        cost = cost_of(await answer)
        assert cost.energy_j == pytest.approx(kit.busy_w - IDLE_W)

    kit.run(run())


def test_a_limit_of_joules_does_not_wait_for_ever_for_an_idle_time(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.senses.powered()
        answer = asyncio.create_task(house.answer(energy_j=100.0))
        while not answer.done():
            house.now += 0.1
            house.senses.hurry()  # a meter that counts nothing
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await answer
        assert refused.value.code == "no_baseline"
        assert house.asked == []

    kit.run(run())


@pytest.mark.parametrize(
    ("known_j", "resolved_s", "busy_s", "spent"),
    [
        (0.4, 0.05, 0.12, False),  # a first reading of 8 W may be one step of the meter
        (1.0, 0.05, 0.12, True),
        (0.8, 0.5, 0.5, False),
        (0.8, 0.5, 0.6, True),  # 1.6 W for 0.15 s that no reading has told of yet
    ],
)
def test_joules_are_told_ahead_once_there_is_a_rate(
    known_j: float, resolved_s: float, busy_s: float, spent: bool
) -> None:
    account = Account(0.0)
    account.decode_j, account.resolved_s, account.decode_s = known_j, resolved_s, busy_s
    assert (account.expected_j(TICK_S) >= 1.0) == spent


@pytest.mark.parametrize(
    ("energy_j", "seconds", "expected"),
    [
        (11.0, None, 80),  # 2 J for the prompt, a tenth for each token, and a tenth to spare
        (None, 5.5, 96),  # 0.2 s to load the model
        (11.0, 5.5, 80),
        (0.1, None, 1),
        (1e9, 1e9, 2000),
    ],
)
def test_limits_become_tokens_by_what_is_predicted(
    kit: Any, energy_j: float | None, seconds: float | None, expected: int
) -> None:
    async def run() -> None:
        house = kit.house()

        def least(entry: Any, prompt: int, cached: int, threads: Any, tokens: int) -> Prediction:
            return foretold(0.05 * tokens, 2.0 + 0.1 * tokens)

        house.routing.least = least
        plan = Plan(kit.entry.id, prompt="x" * 4 * 48)  # so many tokens of 2,048
        assert house.service.generation.tokens_within(plan, energy_j, seconds) == expected

    kit.run(run())


def test_limits_are_no_tokens_where_nothing_is_predicted(kit: Any) -> None:
    async def run() -> None:
        house, plan = kit.house(), Plan(kit.entry.id, prompt="x")
        house.routing.least = lambda *_: None
        assert house.service.generation.tokens_within(plan, 5.0, None) is None
        house.routing.least = lambda *_: foretold(1.0, None)
        assert house.service.generation.tokens_within(plan, 5.0, None) is None
        assert house.service.generation.tokens_within(plan, None, 5.0) == 2047

    kit.run(run())
