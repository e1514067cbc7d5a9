"""Answers teach only what they tell cleanly."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from simulated import Formula, Simulated

from edge_rt.core.decoding import Sampling
from edge_rt.core.routing import Prediction, Served


class Learner:
    """Notes what the forecaster is given."""

    def __init__(self, house: Any) -> None:
        self.seen: list[tuple[str, int, Served]] = []
        lessons = house.routing.lessons
        learn = lessons._learn

        def note(entry: Any, threads: int, served: Served, *how: Any) -> None:
            self.seen.append((entry.id, threads, served))
            learn(entry, threads, served, *how)

        lessons._learn = note


def test_an_answer_that_was_alone_teaches(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        engine = Simulated(house)
        learner = Learner(house)
        for _ in range(3):  # in which the meter shows what the board draws idle
            await house.rest(1.0)
        await house.answer(prompt_tokens=40, max_tokens=9)
        ((model, threads, served),) = learner.seen
        assert (model, threads) == ("tiny", 2)
        assert (served.prompt_tokens, served.completion_tokens) == (40, 9)
        formula = engine.formula
        assert served.prefill_s == pytest.approx(formula.prefill_s(40, 2))
        assert served.decode_s == pytest.approx(formula.decode_s(9, 2))
        added_j = 2 * (5.0 * served.prefill_s + 2.0 * served.decode_s)
        assert served.energy_j == pytest.approx(added_j, rel=0.05)

    kit.run(run())


def test_predictions_follow_what_comes(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        engine = Simulated(house, Formula(token_s=0.01, step_s=0.1))
        for _ in range(3):  # in which the meter shows what the board draws idle
            await house.rest(1.0)
        entry, forecaster = house.get("tiny"), house.routing.forecaster
        before = forecaster.predict(entry, 2, 100, 0, 20)
        assert isinstance(before, Prediction)
        for _ in range(3):
            await house.answer(prompt_tokens=100, max_tokens=20)
            await house.rest(1.0)
        after = forecaster.predict(entry, 2, 100, 0, 20)
        assert isinstance(after, Prediction)
        assert (before.basis, after.basis) == ("roofline", "learnt")
        expected = engine.formula.prefill_s(100, 2) + engine.formula.decode_s(20, 2)
        assert after.seconds == pytest.approx(expected, rel=0.1)
        assert before.energy_j is None
        assert after.energy_j is not None

    kit.run(run())


def test_two_at_a_time_teach_nothing_and_neither_do_two_answers(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        learner = Learner(house)
        script = [kit.started(), kit.delta(1), kit.finished()]
        house.scripts = [list(script), list(script)]
        async with aclosing(house.generate()) as first:
            await anext(first)
            await house.answer()
            async for _ in first:
                pass
        house.scripts = [[kit.started(), kit.delta(1), kit.finished(0), kit.finished(1)]]
        await house.answer(n=2)
        assert learner.seen == []

    kit.run(run())


def test_threads_that_change_meanwhile_teach_nothing(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        learner = Learner(house)

        def fewer() -> None:
            house.governor_loop.limits = house.governor_loop.limits.__class__(1)

        house.scripts = [[kit.started(), fewer, kit.delta(1), kit.finished()]]
        await house.answer()
        assert learner.seen == []

    kit.run(run())


def test_a_lost_engine_teaches_nothing(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        learner = Learner(house)
        house.scripts = [
            [kit.started(), kit.delta(1), kit.lost],
            [kit.started(), kit.delta(2), kit.finished()],
        ]
        await house.answer(sampling=Sampling(seed=1))
        assert learner.seen == []

    kit.run(run())


def test_a_lesson_that_fails_costs_no_answer(kit: Any, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("nothing to learn from")

    async def run() -> None:
        house = kit.house()
        Simulated(house)
        house.routing.lessons._learn = broken
        *_, cost, end = await house.answer(prompt_tokens=40, max_tokens=9)
        assert (cost.__class__.__name__, end.__class__.__name__) == ("Cost", "Finished")

    kit.run(run())
    assert "nothing to learn from" in caplog.text
