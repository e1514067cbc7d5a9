"""A model is loaded in another way where the first does not fit, or another is chosen."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from edge_rt.config.schema import Config, Engine, Models
from edge_rt.core.errors import ModelFileError, Unavailable
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.core.reports.planning import PlanAsk
from edge_rt.core.routing import LoadConfig, RouteRequest

TIGHT, AMPLE = 1_200_000_000, 8_000_000_000  # bytes: for a KV of 2 GB in f16, and of 0.6 in q4_0
BOTH = {"kv_type": ["f16", "q4_0"]}
F16, Q4 = LoadConfig(0, "f16"), LoadConfig(0, "q4_0")


def house_of(kit: Any, usable: int, **engine: Any) -> Any:
    """A house with so much memory for models."""
    house = kit.house(Config(engine=Engine(**engine), models=Models(reserve_bytes=0)))
    summary = changed(kit.entry.summary, head_dim_k=32, head_dim_v=32, kv_per_token=128_000)
    house.entry = replace(kit.entry, summary=summary)

    limit(house, usable)
    return house


def limit(house: Any, usable: int) -> None:
    """Have so much memory for models from now on."""

    def available() -> int:
        residents = [resident.wanted for resident in house.pool.residents()]
        return usable - sum(one.need_bytes - one.mapped_bytes for one in residents)

    house.pool._available = house.routing.room._available = available


def loaded(house: Any) -> LoadConfig:
    return house.routing.variants.load_config(house.get("tiny"))


def kept(house: Any) -> list[str | None]:
    """Return how the engine was told to keep keys and values, of each model that is loaded."""
    return [resident.wanted.spec.kv_type for resident in house.pool.residents()]


def route_request(model: str, *, trace: bool = True) -> RouteRequest:
    return RouteRequest("cmpl-1", model, "x" * 40, 20, trace=trace)


def test_what_fits_answers_where_the_first_would_not(kit: Any) -> None:
    async def run(usable: int, expected: str) -> None:
        house = house_of(kit, usable, **BOTH)
        await house.said()
        assert kept(house) == [expected]

    kit.run(run(TIGHT, "q4_0"))
    kit.run(run(AMPLE, "f16"))


def test_what_lies_on_other_boards_takes_none_of_this_one_s_memory(kit: Any) -> None:
    async def run(usable: int, layers: list[int], expected: int, **engine: Any) -> None:
        house = house_of(kit, usable, kv_type="f16", gpu_layers=layers, **engine)
        await house.said()
        assert loaded(house) == LoadConfig(expected, "f16")

    kit.run(run(TIGHT, [3, 0], 3, rpc=["10.0.0.12:50052"]))
    with pytest.raises(Unavailable, match="memory"):
        kit.run(run(TIGHT, [3, 0], 3))


@pytest.mark.parametrize(("gpu_bytes", "layers"), [(None, 3), (2_200_000_000, 1), (9, 0)])
def test_as_many_layers_are_loaded_as_a_gpu_with_memory_of_its_own_holds(
    kit: Any, gpu_bytes: int | None, layers: int
) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, kv_type="f16", gpu_layers=[3, 1, 0], gpu_bytes=gpu_bytes)
        await house.said()
        assert loaded(house) == LoadConfig(layers, "f16")

    kit.run(run())


@pytest.mark.parametrize(("free", "layers"), [(None, 3), (2_200_000_000, 1), (9, 0)])
def test_unless_configured_a_gpu_holds_what_is_free_of_its_own_memory(
    kit: Any, free: int | None, layers: int
) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, kv_type="f16", gpu_layers=[3, 1, 0])
        house.supervisor.engine.gpus = [
            OffloadDevice("A", "Vulkan", free is None, 10**10, free, False)
        ]
        await house.said()
        assert loaded(house) == LoadConfig(layers, "f16")

    kit.run(run())


@pytest.mark.parametrize(
    ("devices", "layers"),
    [
        ([OffloadDevice("full", "CUDA", False, 10**10, 0, False)], 0),
        (
            [
                OffloadDevice("A", "CUDA", False, 10**10, 9, False),
                OffloadDevice("llvmpipe", "Vulkan", True, 10**10, 10**10, True),
            ],
            0,
        ),
        ([OffloadDevice("llvmpipe", "Vulkan", True, 10**10, 9, True)], 3),
    ],
)
def test_only_a_gpu_without_memory_of_its_own_has_no_bound(
    kit: Any, devices: list[OffloadDevice], layers: int
) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, kv_type="f16", gpu_layers=[3, 1, 0])
        house.supervisor.engine.gpus = devices
        await house.said()
        assert loaded(house) == LoadConfig(layers, "f16")

    kit.run(run())


@pytest.mark.parametrize("engine", [{}, {"kv_type": "f16"}, {"gpu_layers": 9}])
def test_with_one_way_there_is_no_room_as_ever(kit: Any, engine: dict[str, Any]) -> None:
    async def run() -> None:
        house = house_of(kit, TIGHT, **engine)
        with pytest.raises(Unavailable, match="MB are missing") as raised:
            await house.said()
        assert raised.value.code == "out_of_memory"

    kit.run(run())


def test_the_router_takes_what_fits_and_says_why(kit: Any) -> None:
    async def run(usable: int, expected: LoadConfig) -> dict[str, Any]:
        house = house_of(kit, usable, **BOTH)
        served = await house.service.router.route(route_request("auto"))
        assert served.load == expected
        await house.said(load=served.load)
        assert loaded(house) == expected
        rows = served.trace.considered
        return {row.candidate.setting.kv_type: row.rule or row.state for row in rows}

    assert kit.run(run(TIGHT, Q4)) == {"f16": "memory", "q4_0": "chosen"}
    assert kit.run(run(AMPLE, F16)) == {"f16": "chosen", "q4_0": "able"}


def test_a_model_is_loaded_anew_for_another_form_and_stays_for_none(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, **BOTH)
        for load, expected, loads in ((None, F16, 1), (Q4, Q4, 2), (None, Q4, 2), (Q4, Q4, 2)):
            await house.said(load=load)
            assert (loaded(house), len(house.loads)) == (expected, loads)
        assert house.governor_loop.admitted == [False] * 4  # it is the only one

    kit.run(run())


def test_what_was_chosen_gives_way_where_memory_shrank_since(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, **BOTH)
        served = await house.service.router.route(route_request("auto"))
        assert served.load == F16
        limit(house, TIGHT)
        for _ in range(2):
            await house.said(load=served.load)
            assert (loaded(house), len(house.loads)) == (Q4, 1)
        limit(house, AMPLE)
        await house.said(load=served.load)
        assert (loaded(house), len(house.loads)) == (F16, 2)

    kit.run(run())


def test_what_fails_to_load_gives_way_to_what_else_there_is(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, gpu_layers=[9, 0])
        real = house.engine.load

        async def on_the_cpu(model: str, spec: Any) -> Any:
            if spec.gpu_layers:
                raise ModelFileError("the GPU is full")
            return await real(model, spec)

        house.engine.load = on_the_cpu
        for load in (None, LoadConfig(9, "f16"), LoadConfig(9, "f16")):
            await house.said(load=load)
            assert (loaded(house), len(house.loads)) == (F16, 1)

    kit.run(run())


def test_what_is_at_work_is_taken_as_it_is(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, **BOTH)
        go_on = asyncio.Event()
        house.scripts = [[kit.started(), go_on, kit.delta(1), kit.finished()]]
        async with aclosing(house.generate()) as first:
            await anext(first)
            served = await house.service.router.route(route_request("auto"))
            rows = {row.candidate.setting.kv_type: row.rule for row in served.trace.considered}
            assert rows == {"f16": None, "q4_0": "in_use"}
            await house.said(load=Q4)
            assert (loaded(house), len(house.loads)) == (F16, 1)
            go_on.set()
            async for _ in first:
                pass
        await house.said(load=Q4)
        assert loaded(house) == Q4

    kit.run(run())


def test_the_governor_hears_of_loading_anew_beside_others(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, **BOTH)
        house._models = ("other", "tiny")
        await house.said("other")
        await house.said("tiny")
        await house.said("tiny", load=Q4)
        await house.said("tiny", load=Q4)
        assert house.governor_loop.admitted == [False, True, True, False]

    kit.run(run())


def test_each_number_of_layers_is_calibrated_once(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, kv_type=["f16", "q4_0"], gpu_layers=[0, 9])
        found = house.routing.variants.offloads(house.get("tiny"))
        assert found == [F16, LoadConfig(9, "f16")]

    kit.run(run())


def test_another_offload_is_taken_only_where_nothing_else_can_be(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, gpu_layers=[0, 9])
        served = await house.service.router.route(route_request("auto"))
        rows = {row.candidate.setting.gpu_layers: row for row in served.trace.considered}
        assert (rows[0].state, rows[9].state) == ("chosen", "able")
        assert "never measured with 9 layers on the GPU" in rows[9].reason
        assert served.load == F16
        await house.said(load=LoadConfig(9, "f16"))
        house.pool.residents()[0].users += 1  # so that it has to stay
        served = await house.service.router.route(route_request("auto"))
        assert served.load == LoadConfig(9, "f16")
        assert "what it takes is not known" in served.why

    kit.run(run())


def test_a_plan_goes_by_how_the_model_is_loaded(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, AMPLE, gpu_layers=[0, 9])
        ask = PlanAsk(prompt="x" * 40, max_tokens=20, models=["tiny"])
        plan = await house.service.plan(ask)
        assert all(one.seconds is not None for one in plan.candidates)
        await house.said(load=LoadConfig(9, "f16"))
        plan = await house.service.plan(ask)
        assert all("with 9 layers on the GPU" in one.reason for one in plan.candidates)

    kit.run(run())
