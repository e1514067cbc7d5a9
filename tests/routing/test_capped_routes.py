"""Under a cap that binds, a dear model answers with the help of a cheap one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from graded import graded
from msgspec.structs import replace as changed

from edge_rt.config.schema import Config, Router
from edge_rt.core.errors import RequestError
from edge_rt.core.limits import Limits
from edge_rt.core.reports.planning import PlanAsk
from edge_rt.core.requests import Plan
from edge_rt.core.routing import DecodingRequest, Objectives, RouteRequest
from edge_rt.models.pair import Pair
from edge_rt.routing.router import ONLY

BIG, TINY = "big", "tiny"
USUAL = DecodingRequest()
CAP = "the board may draw 5 W"


def house_of(kit: Any, times: float = 8.0, config: Config | None = None) -> Any:
    """Two models of one vocabulary, of which the first is so many times as large; no catalogue."""
    config = config or Config(router=Router(switch="lossy"))
    house = kit.house(config, models=(BIG, TINY))
    small, large = (
        changed(kit.entry.summary, parameters=int(n * 1e7), file_bytes=int(n * 1e8))
        for n in (1.0, times)
    )
    size = int(times * kit.entry.size)
    tiny = replace(kit.entry, summary=small)
    entries = [replace(tiny, id=BIG, sha256="b" * 64, size=size, summary=large), tiny]
    house.entries = lambda: entries
    graded(house, big=0.8, tiny=0.6)
    return house


async def routed(
    house: Any, duty: float = 1.0, mode: DecodingRequest = USUAL, model: str = BIG, **more: Any
) -> Plan:
    house.governor_loop.allow(duty=duty, why=CAP)
    return await house.service.router.route(
        RouteRequest("cmpl-1", model, "x" * 400, mode=mode, **more)
    )


def label(plan: Plan) -> str:
    return "single" if plan.mode is None else plan.mode.label


def test_a_pair_is_known_without_a_file_where_its_models_cost_unequal_sums(kit: Any) -> None:
    async def run() -> None:
        asked = DecodingRequest("speculative")
        served = await routed(house_of(kit, 4.0), mode=asked)
        assert served.mode is not None
        assert served.mode.partner == TINY
        with pytest.raises(RequestError, match="takes a smaller model"):
            await routed(house_of(kit, 2.0), mode=asked)

    kit.run(run())


def test_nothing_changes_without_a_cap(kit: Any) -> None:
    async def run() -> None:
        served = await routed(house_of(kit))
        assert (label(served), served.less, served.why) == (
            "single",
            None,
            ONLY,
        )

    kit.run(run())


def test_a_cap_has_the_small_model_write_what_the_missing_time_takes(kit: Any) -> None:
    async def run() -> None:
        house, shares = house_of(kit), list[float]()
        for duty in (0.6, 0.35):
            served = await routed(house, duty)
            assert label(served) == "switch:entropy"
            assert served.mode is not None
            assert served.mode.gating is not None
            assert served.mode.gating.threshold is not None
            shares.append(served.mode.gating.share or 0.0)
            assert served.less == f"{TINY} writes what it is sure of: {CAP}"
            assert served.why is not None
            assert f"a cap leaves {duty:.0%} of the speed" in served.why
            assert served.alone is not None
            assert label(served.alone) == "single"
        assert 1.0 > shares[0] > shares[1] > 0.0

    kit.run(run())


def test_threads_that_a_cap_forbids_are_missed_as_pauses_are(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        for by, mode in ((None, "single"), ("power_w", "switch:entropy")):
            house.governor_loop.limits = Limits(1, bound_by=by, why=CAP)
            request = RouteRequest("cmpl-1", BIG, "x" * 400)
            assert label(await house.service.router.route(request)) == mode

    kit.run(run())


def test_drafts_come_first_where_they_suffice(kit: Any) -> None:
    async def run() -> None:
        served = await routed(house_of(kit), 0.7)
        assert (label(served), served.less) == ("speculative", None)

    kit.run(run())


def test_the_small_model_alone_comes_last(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        served = await routed(house, 0.15)
        assert (served.model, served.asked, label(served)) == (TINY, BIG, "single")
        assert served.less == f"{TINY} answers for {BIG}: {CAP}"
        floor = await routed(house, 0.15, objectives=Objectives(quality=0.7))
        assert (floor.model, label(floor)) == (BIG, "switch:entropy")
        highest = await routed(house, 0.15, objectives=Objectives(quality=0.8))
        assert (highest.model, label(highest)) == (BIG, "speculative")

    kit.run(run())


def test_who_names_a_mode_or_pins_a_model_gets_that(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        assert label(await routed(house, 0.3, DecodingRequest("single"))) == "single"
        assert label(await routed(house, 0.3, DecodingRequest("lookup"))) == "lookup"
        served = await routed(house, 0.15, model=f"{BIG}@llama.cpp")
        assert (served.model, label(served)) == (BIG, "single")

    kit.run(run())


@pytest.mark.parametrize("mode", ["single", "switch:entropy"])
def test_a_pair_in_a_file_overrides(kit: Any, mode: str) -> None:
    async def run() -> None:
        house = house_of(kit)
        house.known_pairs = [Pair(large=BIG, small=TINY, mode=mode)]
        assert label(await routed(house, 0.3)) == mode

    kit.run(run())


@pytest.mark.parametrize(("switch", "found"), [("lossless", "speculative"), ("off", "single")])
def test_the_configuration_tells_how_far_it_goes(kit: Any, switch: Any, found: str) -> None:
    async def run() -> None:
        house = house_of(kit, config=Config(router=Router(switch=switch)))
        assert label(await routed(house, 0.3)) == found

    kit.run(run())


def test_a_partner_for_which_there_is_no_room_does_not_help(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        house.routing.router._room._available = lambda: 0
        assert label(await routed(house, 0.3)) == "lookup"

    kit.run(run())


def test_no_model_is_unloaded_for_a_partner_that_nobody_asked_for(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        big, tiny = house.entries()
        room = house.routing.router._room
        reserve = Config().models.reserve_bytes
        assert room.spare(big, tiny)
        room._available = lambda: reserve + big.size  # the models take more than their files
        assert not room.spare(big, tiny)
        assert label(await routed(house, 0.6)) == "lookup"

    kit.run(run())


def test_the_plan_and_the_trace_show_the_order_and_why(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit)
        house.governor_loop.allow(duty=0.6, why=CAP)
        told = await house.routing.planner.plan(PlanAsk(models=[BIG], prompt="hey", max_tokens=20))
        first = told.candidates[0]
        assert (first.chosen, first.mode, first.partner) == (True, "switch:entropy", TINY)
        served = await routed(house, 0.6, trace=True)
        assert served.trace is not None
        for why in (first.reason, served.trace.why):
            assert "a cap leaves 60% of the speed: single 1.00" in why
            assert why.index("speculative 0.") < why.index("switch with") < why.index("small 0.")

    kit.run(run())
