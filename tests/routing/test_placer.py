"""Models are loaded ahead where that repays, and let go where others need the memory."""

from __future__ import annotations

from typing import Any

import pytest
from placed import NAMES, ask, graded, house_of, loaded, look, room

from edge_rt.engine.model_pool import Resident


def resident(house: Any) -> Resident:
    (one,) = house.pool.residents()
    return one


def test_what_is_asked_for_again_and_again_is_loaded_ahead(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        await ask(house, "auto")
        assert "saves" in (await look(house) or "")
        assert {*loaded(house)} == {NAMES["a"]}

    kit.run(run())


def test_joules_that_only_one_is_known_to_take_are_not_held_against_it(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": None, "b": 30.0}, seconds=5.0)
        await house.answer("a")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto")
        assert " s in 1800 s" in (await look(house) or "")
        assert {*loaded(house)} == {NAMES["b"]}

    kit.run(run())


def test_one_variant_is_left_to_requests(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        await ask(house, "a")
        assert await look(house) is None
        assert {*loaded(house)} == set()

    kit.run(run())


def test_nothing_is_done_where_it_does_not_repay(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0}, load_s=1e5)
        await house.answer("b")
        await ask(house, "auto", times=1)
        house.now += 1700.0
        await look(house)
        assert {*loaded(house)} == {NAMES["b"]}

    kit.run(run())


def test_it_is_looked_at_anew_only_where_something_moved(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        await ask(house, "auto")
        assert await look(house) is not None
        assert await look(house) is None
        house.governor_loop.allow(guard="caution")
        assert await look(house) is not None
        await ask(house, "b", times=40)
        assert await look(house) is not None
        assert {*loaded(house)} == set(NAMES.values())

    kit.run(run())


def test_the_dearer_one_goes_where_memory_is_tight(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        await house.answer("b")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto")
        await look(house)
        assert {*loaded(house)} == {NAMES["a"]}

    kit.run(run())


def test_what_the_configuration_wants_in_memory_stays(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0}, preload=["b"])
        await house.service.preload("b")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto")
        await look(house)
        assert {*loaded(house)} == {NAMES["b"]}

    kit.run(run())


def test_the_default_model_can_be_wanted_in_memory_too(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 9.0, "b": 1.0}, preload=["default", "gone"])
        await house.service.preload("default")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto")
        await look(house)
        assert {*loaded(house)} == {NAMES["a"]}

    kit.run(run())


def test_requests_come_first(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        await ask(house, "auto")
        with house.state.request(9):
            assert await look(house) is None
        house.governor_loop.allow(admission="queue")
        assert await look(house) is None
        house.governor_loop.allow(heavy=False)
        assert await look(house) == "no model may be loaded now"
        assert await look(house) is None
        assert {*loaded(house)} == set()
        house.governor_loop.allow(heavy=True)
        assert await look(house) is not None
        assert {*loaded(house)} == {NAMES["a"]}

    kit.run(run())


def test_a_load_that_fails_is_told(kit: Any, caplog: pytest.LogCaptureFixture) -> None:
    from edge_rt.core.errors import ModelFileError

    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        house.bad = ModelFileError("it is damaged")
        await ask(house, "auto")
        assert await look(house) is not None
        assert "it is damaged" in caplog.text

    kit.run(run())


def test_what_does_not_repay_at_first_may_with_more_requests(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0}, load_s=60.0)
        await house.answer("b")
        await ask(house, "auto", times=1)
        house.now += 1700.0
        assert "saves" in (await look(house) or "")
        assert await look(house) is None
        assert {*loaded(house)} == {NAMES["b"]}
        await ask(house, "auto", times=60)
        await look(house)
        assert NAMES["a"] in loaded(house)

    kit.run(run())


def test_what_the_router_takes_is_not_unloaded_for_what_it_does_not_take(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        graded(house, a=0.145, b=0.9)
        await house.answer("b")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto")
        await look(house)
        assert {*loaded(house)} == {NAMES["b"]}
        await ask(house, "auto")
        await look(house)
        assert {*loaded(house)} == {NAMES["b"]}

    kit.run(run())


def test_the_floor_of_a_request_counts(kit: Any) -> None:
    async def run(quality: float, kept: str) -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        graded(house, a=0.6, b=0.9)
        await house.answer("b")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto", quality=quality)
        await look(house)
        assert {*loaded(house)} == {NAMES[kept]}

    kit.run(run(0.5, "a"))
    kit.run(run(0.8, "b"))


def test_a_smaller_model_is_placed_while_the_governor_asks_for_it(kit: Any) -> None:
    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        graded(house, a=0.3, b=0.9)
        await house.answer("b")
        room(house, round(1.5 * resident(house).wanted.need_bytes))
        await ask(house, "auto")
        await look(house)
        assert {*loaded(house)} == {NAMES["b"]}
        house.governor_loop.allow(smaller=True)
        await look(house)
        assert {*loaded(house)} == {NAMES["a"]}

    kit.run(run())


@pytest.mark.parametrize(("states", "kept"), [(4, "ab"), (2, "b")])
def test_where_there_are_too_many_states_those_most_asked_for_are_placed(
    kit: Any, monkeypatch: pytest.MonkeyPatch, states: int, kept: str
) -> None:
    """Each model has one form here, so that n models have 2**n states."""
    monkeypatch.setattr("edge_rt.routing.placer.MOST_STATES", states)

    async def run() -> None:
        house = house_of(kit, {"a": 1.0, "b": 9.0})
        await ask(house, "auto")
        await ask(house, "b")
        await look(house)
        assert {*loaded(house)} == {NAMES[id] for id in kept}

    kit.run(run())
