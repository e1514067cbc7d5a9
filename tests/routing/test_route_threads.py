"""Requests that say what they aim at, or leave the model open, have as many threads as pay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from simulated import Formula, Simulated

from edge_rt.core.decoding import Gating, Mode, Sampling
from edge_rt.core.limits import Limits
from edge_rt.core.reports.planning import CalibrateRequest, PlanAsk
from edge_rt.core.requests import Call, Plan
from edge_rt.core.routing import Objectives, RouteRequest
from edge_rt.routing.decoding_options import DecodingOption
from edge_rt.routing.router import ONLY

PLAIN, ENERGY, LATENCY = Objectives(), Objectives("energy"), Objectives("latency")


class Crowded(Formula):
    """With two threads everything takes 0.7 times the time, and 1.4 times the joules."""

    def prefill_s(self, tokens: int, threads: int) -> float:
        return super().prefill_s(tokens, 1) / threads**0.5

    def decode_s(self, tokens: int, threads: int) -> float:
        return super().decode_s(tokens, 1) / threads**0.5


Test = Callable[[Any, Any], Awaitable[None]]


@pytest.fixture
def running(kit: Any, tmp_path: Path) -> Callable[[Test], None]:
    """Runs a test in a house that was calibrated, with its engine."""

    async def calibrated(test: Test) -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house, Crowded())
        async for _ in house.service.calibrate(CalibrateRequest(quick=True)):
            pass
        await test(house, engine)

    return lambda test: kit.run(calibrated(test))


def route_request(
    model: str, objectives: Objectives = PLAIN, *, trace: bool = False
) -> RouteRequest:
    return RouteRequest(
        "cmpl-1", model, [5] * 40, 20, ignore_eos=True, objectives=objectives, trace=trace
    )


async def threads(house: Any, model: str, objectives: Objectives = PLAIN) -> int | None:
    return (await house.service.router.route(route_request(model, objectives))).threads


def considered(trace: Any) -> dict[int, Any]:
    return {row.candidate.setting.threads: row for row in trace.considered}


def test_energy_takes_fewer_threads_and_the_engine_has_them(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        served = await house.service.router.route(route_request("auto", ENERGY, trace=True))
        assert served.threads == 1
        assert "the fewest joules of 2 settings" in served.why
        rows = considered(served.trace)
        assert (rows[1].state, rows[2].state) == ("chosen", "able")
        before = len(engine.made)
        call = Call(Plan("tiny", threads=served.threads), [5] * 40, False, Sampling(), 20)
        events = [event async for event in house.service.generation.generate(call)]
        assert house.asked[-1].threads == 1
        assert engine.made[before:] == [(40, 20, 1)]
        (cost,) = [event for event in events if hasattr(event, "energy_j")]
        assert cost.energy_j == pytest.approx(rows[1].candidate.energy_j, rel=0.1)

    running(test)


def test_who_names_a_model_and_no_aim_has_what_the_governor_allows(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        served = await house.service.router.route(route_request("tiny"))
        assert (served.threads, served.why) == (None, ONLY)
        served = await house.service.router.route(route_request("tiny", trace=True))
        assert (served.threads, set(considered(served.trace))) == (None, {2})
        await house.answer()
        assert house.asked[-1].threads is None

    running(test)


def test_what_is_aimed_at_decides(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        assert await threads(house, "tiny", ENERGY) == 1
        assert await threads(house, "auto") == 1
        assert await threads(house, "auto@llama.cpp") == 1
        assert await threads(house, "tiny", LATENCY) is None
        trace = (await house.service.router.route(route_request("tiny", ENERGY, trace=True))).trace
        both = [considered(trace)[n].candidate.seconds for n in (1, 2)]
        assert await threads(house, "tiny", Objectives(latency_s=sum(both) / 2)) is None
        assert await threads(house, "tiny", Objectives(latency_s=2 * both[0])) == 1

    running(test)


def test_never_more_than_the_governor_allows(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        house.governor_loop.limits = Limits(1, why="another program has a core")
        assert await threads(house, "tiny", LATENCY) is None
        trace = (await house.service.router.route(route_request("tiny", LATENCY, trace=True))).trace
        rows = considered(trace)
        assert (rows[1].state, rows[2].rule) == ("chosen", "threads")

    running(test)


def test_who_asks_for_fewer_rests_as_much_as_the_others(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        seconds: list[float] = []
        for duty in (1.0, 0.5):
            house.governor_loop.allow(duty=duty, allowance_w=7.0)
            trace = (await house.service.router.route(route_request("auto", trace=True))).trace
            seconds.append(considered(trace)[1].candidate.seconds)
        assert seconds[1] == pytest.approx(2 * seconds[0], rel=0.05)

    running(test)


def test_an_answer_with_fewer_threads_teaches_of_those(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        learnt: list[int] = []
        house.routing.lessons._learn = lambda entry, threads, *_: learnt.append(threads)
        await house.answer(prompt_tokens=40, threads=1)
        await house.answer(prompt_tokens=40)
        await house.answer(prompt_tokens=40, threads=8)
        assert learnt == [1, 2, 2]

        def fewer() -> None:
            house.governor_loop.limits = Limits(1)

        learnt.clear()
        engine.before = lambda number: fewer()
        await house.answer(prompt_tokens=40, threads=1)
        assert learnt == [1]

    running(test)


def test_a_plan_says_what_a_request_would_get(running: Any) -> None:
    async def test(house: Any, engine: Any) -> None:
        for model, expected in (("tiny", 2), ("auto", 1)):
            plan = await house.service.plan(PlanAsk(prompt="x" * 40, max_tokens=20, models=[model]))
            (chosen,) = [c for c in plan.candidates if c.chosen]
            assert chosen.threads == expected

    running(test)


def test_onnxruntime_would_have_to_begin_anew_for_another_count(kit: Any) -> None:
    async def test() -> None:
        routing, entry = house.routing, house.get("tiny")
        load = {"gpu_layers": 0, "kv_type": "f16"}
        known = [SimpleNamespace(threads=threads, **load) for threads in (2, 1)]
        routing.forecaster.calibrations = lambda entry, load=None: [] if load else known
        assert routing.variants.threads(entry) == (1, 2)
        other = replace(entry, id="other", backend="onnx")
        assert routing.variants.threads(other) == ()
        for partner, counts in ((entry, (1, 2)), (other, ())):
            helped = DecodingOption(Mode("switch", partner.id, gating=Gating()), partner)
            variant = routing.variants.of(entry, helped, 2, any_threads=True)
            assert variant.threads == counts

    house = kit.house()
    kit.run(test())
