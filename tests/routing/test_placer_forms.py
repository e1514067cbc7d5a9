"""Of the ways to load a model that one is in memory that takes least for what is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from placed import F16_BYTES, LAYERS, NAMES, Takes, ask, house_of, loaded, look, room

from edge_rt.config.schema import Engine
from edge_rt.core.errors import ModelFileError
from edge_rt.core.routing import LoadConfig

BY_LAYERS = {20: 1.0, 10: 2.0, 0: 9.0}
ALL, HALF, NONE = (LoadConfig(layers, "f16") for layers in BY_LAYERS)
F16, Q4 = LoadConfig(0, "f16"), LoadConfig(0, "q4_0")
BOTH = Engine(kv_type=["f16", "q4_0"])


def board_with_gpu(gpu_bytes: float) -> Engine:
    return Engine(gpu_layers=[*BY_LAYERS], kv_type="f16", gpu_bytes=round(gpu_bytes))


def by_layers(id: str, load: LoadConfig | None) -> float:
    return BY_LAYERS[LAYERS if load is None else load.gpu_layers]


def by_kv(f16_j: float, q4_j: float, a_j: float = 0.0) -> Takes:
    """What either model takes; "a" so much more."""

    def takes(id: str, load: LoadConfig | None) -> float:
        return (q4_j if load == Q4 else f16_j) + a_j * (id == "a")

    return takes


async def ask_for_both(house: Any, times: int = 25) -> None:
    for _ in range(times):
        await ask(house, "a", times=1)
        await ask(house, "b", times=1)


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        (3.0, {"a": ALL, "b": ALL}),
        (1.3, {"a": HALF, "b": HALF}),  # for one with all of its layers, or half of both
        (0.3, {"a": NONE, "b": NONE}),
    ],
)
def test_layers_are_on_the_gpu_as_far_as_there_is_memory_for_both(
    kit: Any, gpu: float, expected: dict[str, LoadConfig]
) -> None:
    async def run() -> None:
        engine = board_with_gpu(gpu * F16_BYTES)
        house = house_of(kit, by_layers, load_s=50.0, engine=engine)
        await house.said("a")
        await ask_for_both(house)
        assert await look(house) is not None
        assert loaded(house) == {NAMES[id]: load for id, load in expected.items()}
        assert await look(house) is None

    kit.run(run())


def test_nothing_is_loaded_onto_the_gpu_before_there_is_room(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, by_layers, load_s=50.0, engine=board_with_gpu(1.3 * F16_BYTES))
        load, unload = house.engine.load, house.engine.unload
        there: dict[str, int] = {}

        async def loads(model: str, spec: Any) -> Any:
            there[model] = spec.gpu_layers
            assert sum(there.values()) <= 1.3 * LAYERS
            return await load(model, spec)

        async def unloads(model: str) -> None:
            del there[model]
            await unload(model)

        house.engine.load, house.engine.unload = loads, unloads
        await house.said("b")
        assert there == {NAMES["b"]: LAYERS}
        await ask_for_both(house)
        await look(house)
        assert there == dict.fromkeys(NAMES.values(), 10)

    kit.run(run())


def test_what_can_never_fit_does_not_count_for_requests_that_find_nothing_loaded(kit: Any) -> None:
    async def run() -> None:
        engine = board_with_gpu(0.3 * F16_BYTES)
        house = house_of(kit, by_layers, engine=engine)
        await ask_for_both(house)
        await look(house)
        assert loaded(house) == dict.fromkeys(NAMES.values(), NONE)

    kit.run(run())


def test_what_another_needs_of_the_gpu_is_not_given_to_one_that_stays_as_it_is(kit: Any) -> None:
    async def run() -> None:
        engine = board_with_gpu(1.3 * F16_BYTES)
        house = house_of(kit, by_layers, load_s=50.0, engine=engine, preload=["a"])
        await house.service.preload("a")
        await ask_for_both(house)
        await look(house)
        assert loaded(house) == {NAMES["a"]: ALL, NAMES["b"]: NONE}

    kit.run(run())


def test_a_smaller_kv_lets_a_second_model_stay(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, by_kv(1.0, 1.05), engine=BOTH)
        await house.said("b")
        assert loaded(house) == {NAMES["b"]: F16}
        room(house, round(1.4 * F16_BYTES))
        await ask_for_both(house)
        await look(house)
        assert loaded(house) == {NAMES["a"]: Q4, NAMES["b"]: Q4}

    kit.run(run())


@pytest.mark.parametrize(
    ("q4_j", "expected"), [(1.0, Q4), (1.001, Q4), (2.0, F16)], ids=["none", "little", "much"]
)
def test_a_form_is_left_where_that_repays_its_load(
    kit: Any, q4_j: float, expected: LoadConfig
) -> None:
    async def run() -> None:
        house = house_of(kit, by_kv(1.0, q4_j), load_s=50.0, engine=BOTH)
        for model in NAMES:
            await house.said(model, load=Q4)
        await ask_for_both(house)
        await look(house)
        assert loaded(house) == dict.fromkeys(NAMES.values(), expected)
        assert len(house.loads) == (2 if expected == Q4 else 4)

    kit.run(run())


def test_one_that_is_asked_for_alone_has_forms_to_choose_from(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, by_kv(1.0, 2.0), engine=BOTH)
        await house.said("a", load=Q4)
        await ask(house, "a")
        assert "saves" in (await look(house) or "")
        assert loaded(house) == {NAMES["a"]: F16}

    kit.run(run())


def test_a_form_is_not_left_for_what_another_model_saves(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, by_kv(1.0, 1.02), load_s=50.0, engine=BOTH)
        await house.said("b", load=Q4)
        await ask_for_both(house)
        await look(house)
        assert loaded(house) == {NAMES["a"]: F16, NAMES["b"]: Q4}
        assert len(house.loads) == 2

    kit.run(run())


def test_what_failed_of_late_is_not_chosen(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, by_layers, engine=board_with_gpu(3.0 * F16_BYTES))
        load, tried = house.engine.load, []

        async def on_half_of_it(model: str, spec: Any) -> Any:
            tried.append(spec.gpu_layers)
            if spec.gpu_layers > HALF.gpu_layers:
                raise ModelFileError("the GPU is full")
            return await load(model, spec)

        house.engine.load = on_half_of_it
        await house.said("a")
        assert (tried, loaded(house)) == ([20, 10], {NAMES["a"]: HALF})
        await ask(house, "a")
        await look(house)
        assert (tried, loaded(house)) == ([20, 10], {NAMES["a"]: HALF})
        house.engine.load = load
        house.now += 600.0
        house.governor_loop.allow(guard="caution")
        await look(house)
        assert loaded(house) == {NAMES["a"]: ALL}

    kit.run(run())
