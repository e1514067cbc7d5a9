"""After an engine's end everybody goes on, but for a model that was alone in two."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.errors import EngineBroken, EngineError, Unavailable
from edge_rt.engine.model_pool import TWICE_S
from edge_rt.engine.process import ExitReason
from edge_rt.generation.recovery import LOSSES, RENEWED_S, STUCK_S

OUTSIDE = ExitReason("signal SIGKILL, from outside", outside=True)


def test_an_engine_that_is_ended_from_outside_is_nobodys_fault(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), kit.delta(1), OUTSIDE]] + [
            [kit.delta(2), OUTSIDE] for _ in range(3 * LOSSES)
        ]
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_a_model_that_was_alone_in_two_engines_is_refused(kit: Any) -> None:
    """Whatever is asked of it; later one engine more tells that it is still the same."""

    async def run() -> None:
        house = kit.house()
        house.scripts = [[kit.started(), kit.lost], [kit.lost], [kit.lost]]
        for tokens in (1, 2):
            with pytest.raises(Unavailable, match="two engines that it was alone in") as caught:
                await house.answer(max_tokens=tokens)
            assert caught.value.code == "model_load_failed"
            assert len(house.asked) == 2
        assert caught.value.retry_after_s is not None
        house.now += caught.value.retry_after_s
        with pytest.raises(Unavailable, match="two engines that it was alone in") as caught:
            await house.answer(max_tokens=3)
        assert len(house.asked) == 3
        assert caught.value.retry_after_s is not None
        house.now += caught.value.retry_after_s
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_where_memory_was_short_twice_that_is_told(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        short = ExitReason("memory was short", short_of_memory=True)
        house.scripts = [[kit.started(), short], [short]]
        with pytest.raises(Unavailable, match=r"memory was short.*smaller model") as caught:
            await house.answer()
        assert caught.value.code == "out_of_memory"
        assert caught.value.retry_after_s is not None
        house.now += caught.value.retry_after_s
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_ends_that_are_far_apart_do_not_count_together(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()

        def later() -> None:
            house.now += TWICE_S + 1.0

        house.scripts = [[kit.started(), later, kit.lost]] * 3 + [[kit.delta(1), kit.finished()]]
        assert (await house.said())[-1] == kit.finished()
        assert len(house.asked) == 4

    kit.run(run())


def test_of_two_models_in_an_engine_none_is_refused(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=("tiny", "other"))
        house.scripts = [
            [kit.finished()],
            [kit.started(), kit.lost],
            [kit.delta(1), kit.finished()],
        ]
        await house.answer("other")
        assert (await house.said())[-1] == kit.finished()
        await house.answer("other")
        house.scripts = [[kit.started(), kit.lost], [kit.delta(1), kit.finished()]]
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_who_comes_no_further_is_given_up(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()

        def later() -> None:
            house.now += STUCK_S / (LOSSES - 1)

        house.scripts = [[later, OUTSIDE]] * (LOSSES + 1)
        with pytest.raises(EngineError, match="again and again"):
            await house.answer()
        assert len(house.asked) == LOSSES

    kit.run(run())


def test_who_waits_while_others_are_served_is_not_given_up(kit: Any) -> None:
    """Nor is who got no turn in engines that were ended from outside."""

    async def run() -> None:
        house = kit.house()
        house.useful = True
        house.scripts = [[OUTSIDE]] * (3 * LOSSES)
        assert (await house.said())[-1] == kit.finished()

    kit.run(run())


def test_nonsense_is_tried_in_a_new_engine_once_in_a_while(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        nonsense = EngineBroken("NaN logits")
        house.scripts = [
            [kit.started(), kit.delta(1), nonsense],
            [kit.delta(2), kit.finished()],
        ]
        first = house.engine
        assert await house.said() == [kit.started(), kit.delta(1), kit.delta(2), kit.finished()]
        assert house.engine is not first
        assert first.termination is not None
        assert "NaN" in first.termination.why
        second = house.engine
        house.scripts = [[nonsense]]
        with pytest.raises(EngineBroken):
            await house.answer()
        assert second.termination is None
        house.now += RENEWED_S + 1.0
        house.scripts = [[nonsense]]
        assert await house.said() == [kit.finished()]
        assert second.termination is not None

    kit.run(run())
