"""Plans tell what each candidate would take, and runs tell how right that was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from graded import graded
from simulated import Formula, Simulated

from edge_rt.config.schema import Config, Engine, Models
from edge_rt.core.errors import EngineError, ModelNotFound, RequestError, Unavailable
from edge_rt.core.reports.planning import (
    CalibrateRequest,
    PlanAsk,
    PlanCandidate,
    PlanReport,
    Tried,
)
from edge_rt.energy.calibration.measurement import PATIENCE_S
from edge_rt.engine.model_pool import ModelPool
from edge_rt.routing.loading import Room
from edge_rt.thermal.course import Forecast

ASK = PlanAsk(prompt="x" * 30, max_tokens=20)


async def calibrated(kit: Any, folder: Path, formula: Formula | None = None) -> Any:
    """A house that was calibrated."""
    house = kit.house(state_folder=folder)
    Simulated(house, formula)
    async for _ in house.service.calibrate(CalibrateRequest(quick=True)):
        pass
    return house


def soon(house: Any) -> None:
    """Let the measurer's patience be over in no time."""

    async def look(seconds: float) -> None:
        await asyncio.sleep(0)

    house.routing.planner._measurer._pause = look


def before(first: Callable[[], object], pause: Any) -> Any:
    async def both(seconds: float) -> None:
        first()
        await pause(seconds)

    return both


async def candidates(house: Any, ask: PlanAsk = ASK) -> list[PlanCandidate]:
    return (await house.service.plan(ask)).candidates


async def tries(house: Any, ask: PlanAsk = ASK) -> tuple[PlanReport, list[Tried]]:
    report, *tried = [said async for said in house.service.tries(ask)]
    return report, tried


def test_every_thread_count_is_predicted_before_anything_runs(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        asked = len(house.asked)
        found = await candidates(house)
        assert len(house.asked) == asked
        assert [(c.threads, c.chosen) for c in found] == [(2, True), (1, False)]
        formula = Formula()
        for one in found:
            assert (one.model, one.prompt_tokens, one.completion_tokens) == ("tiny", 30, 20)
            assert one.basis == "calibrated"
            prefill_s, decode_s = (
                formula.prefill_s(30, one.threads),
                formula.decode_s(20, one.threads),
            )
            assert one.seconds == pytest.approx(prefill_s + decode_s, rel=0.05)
            added_j = one.threads * (5.0 * prefill_s + 2.0 * decode_s)
            assert one.energy_j == pytest.approx(added_j, rel=0.05)
            assert one.total_j == pytest.approx(added_j + 3.0 * (one.seconds or 0), rel=0.05)
        assert "times the time" in found[1].reason

    kit.run(run())


def test_without_a_calibration_it_is_the_roofline_and_says_so(kit: Any) -> None:
    async def run() -> None:
        found = await candidates(kit.house())
        assert {c.basis for c in found} == {"roofline"}
        assert all(c.seconds and c.error_ratio == pytest.approx(1.0) for c in found)
        assert {c.energy_j for c in found} == {None}  # nothing tells this board's watts
        assert {c.end_temp_c for c in found} == {None}

    kit.run(run())


def test_what_is_in_kv_need_not_be_read(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        whole = await candidates(house)
        house.texts.add(ASK.prompt)
        cached = await candidates(house)
        fresh = await candidates(house, PlanAsk(prompt=ASK.prompt, max_tokens=20, fresh=True))
        assert (cached[0].prefill_s or 1) < 0.5 * (whole[0].prefill_s or 0)
        assert fresh[0].prefill_s == pytest.approx(whole[0].prefill_s)

    kit.run(run())


def test_messages_are_counted_as_the_template_writes_them(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        found = await candidates(house, PlanAsk(messages=[{"role": "user", "content": "hey"}]))
        assert {c.prompt_tokens for c in found} == {len("hey|")}
        (counted,) = house.counted
        assert counted[3:] == ("hey|", True)
        assert house.loads == []

    kit.run(run())


def test_the_governors_limits_are_in_it(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        free = {c.threads: c for c in await candidates(house)}
        house.governor_loop.allow(duty=0.5, allowance_w=7.0, why="the cap binds")
        held = {c.threads: c for c in await candidates(house) if c.mode == "single"}
        assert held[2].seconds == pytest.approx(2 * (free[2].seconds or 0), rel=0.05)
        assert held[2].energy_j == pytest.approx(free[2].energy_j)
        assert "the cap binds" in held[2].reason
        # One thread adds less than the 4 W that are left: it need not rest as much, or not at all.
        assert (held[1].power_w or 99) <= 7.0 + 0.01
        assert (free[1].seconds or 0) <= (held[1].seconds or 0) < 1.6 * (free[1].seconds or 0)

    kit.run(run())


def test_heat_is_forecast_for_the_time_and_the_watts_that_it_takes(
    kit: Any, tmp_path: Path
) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)

        def forecast(power_w: float, horizon_s: float) -> Forecast:
            return Forecast(40.0 + power_w + horizon_s, 0.5)

        model = SimpleNamespace(believed=True, forecast=forecast)
        house.governor_loop.heat._model = model
        for one in await candidates(house):
            assert one.end_temp_c == pytest.approx(40.0 + (one.power_w or 0) + (one.seconds or 0))
            assert one.band_c == 0.5
        model.believed = False
        assert {c.end_temp_c for c in await candidates(house)} == {None}

    kit.run(run())


def test_what_cannot_be_is_told_with_its_reason(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(engine=Engine(context=64)))
        found = await candidates(house, PlanAsk(prompt="x" * 64))
        assert {c.seconds for c in found} == {None}
        assert not any(c.chosen for c in found)
        assert {c.reason for c in found} == {"the prompt has 64 tokens, and 64 fit at most"}
        (fits, *_) = await candidates(house, PlanAsk(prompt="x" * 60, max_tokens=50))
        assert fits.completion_tokens == 4
        for ask, error in (
            (PlanAsk(prompt="x", threads=[3]), RequestError),
            (PlanAsk(prompt="x", models=["other"]), ModelNotFound),
        ):
            with pytest.raises(error):
                await candidates(house, ask)

    kit.run(run())


def test_a_model_that_cannot_be_counted_is_told_beside_the_others(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"))
        count = house.engine.count

        async def broken(model: str, *rest: Any, special: bool) -> Any:
            if model.startswith("b@"):
                raise RequestError("b.gguf cannot be loaded", param="prompt")
            return await count(model, *rest, special=special)

        house.engine.count = broken
        found = await candidates(house)
        assert [(c.model, c.chosen) for c in found if c.seconds] == [("a", True), ("a", False)]
        lacking = [c for c in found if c.model == "b"]
        assert {(c.prompt_tokens, c.completion_tokens) for c in lacking} == {(None, 20)}
        assert {c.reason for c in lacking} == {"b.gguf cannot be loaded"}
        (alone, _) = await candidates(house, PlanAsk(prompt="x", models=["b"]))
        assert (alone.seconds, alone.reason) == (None, "b.gguf cannot be loaded")

    kit.run(run())


def test_messages_that_only_some_templates_take(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"))
        ask = PlanAsk(messages=[{"role": "user", "content": "hey"}])
        untold = msgspec.structs.replace(house.entry.summary, chat_template=None)
        bare = replace(house.entry, sha256="1" * 64, summary=untold)
        both = [house.get("a"), replace(bare, id="b")]
        house.entries = lambda: both
        found = await candidates(house, ask)
        assert {c.model for c in found if c.seconds} == {"a"}
        assert all("no chat template" in c.reason for c in found if c.model == "b")
        with pytest.raises(RequestError, match="no chat template"):  # nobody can be asked that
            await candidates(house, PlanAsk(messages=ask.messages, models=["b"]))

    kit.run(run())


def test_models_and_threads_can_be_named(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"))
        everything = await candidates(house)
        assert [(c.model, c.threads) for c in everything if c.chosen] == [("a", 2)]
        assert len(everything) == 4
        some = await candidates(house, PlanAsk(prompt="x", models=["b", "b"], threads=[1]))
        assert [(c.model, c.threads, c.chosen) for c in some] == [("b", 1, True)]
        assert "fastest" in some[0].reason

    kit.run(run())


def test_the_model_that_stands_in_is_the_one_that_is_chosen(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(models=Models(smaller={"a": "b"})), models=("a", "b"))
        house.governor_loop.allow(smaller=True)
        (chosen,) = [c for c in await candidates(house) if c.chosen]
        assert chosen.model == "b"
        graded(house, a=0.9, b=0.1)  # which is too bad to stand in
        (chosen,) = [c for c in await candidates(house) if c.chosen]
        assert chosen.model == "a"

    kit.run(run())


def test_runs_come_as_they_were_predicted(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        house.texts.add(ASK.prompt)  # nothing of it may be taken from KV
        report, tried = await tries(house)
        assert [t.predicted.threads for t in tried] == [c.threads for c in report.candidates]
        for one in tried:
            assert one.failure is None
            assert (one.prompt_tokens, one.completion_tokens) == (30, 20)
            assert abs(one.seconds_error or 1) < 0.05
            assert abs(one.energy_error or 1) < 0.05
            assert one.quality == "measured"
            assert one.total_j == pytest.approx((one.power_w or 0) * (one.seconds or 0))
        assert all(asked.fresh for asked in house.asked[-2:])
        assert house.governor_loop.limits.threads == 2
        assert house.occupancy.active == 0

    kit.run(run())


def test_errors_are_signed_and_of_what_was_told_before(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        Simulated(house, Formula(noise=(2.0,)))  # it takes twice as long now
        errors: list[float] = []
        for _ in range(14):
            _, (tried,) = await tries(house, PlanAsk(prompt="x" * 200, threads=[2]))
            errors.append(tried.seconds_error or 0.0)
        assert errors[0] == pytest.approx(-0.5, abs=0.03)
        assert abs(errors[-1]) < 0.05  # it has learnt

    kit.run(run())


def test_a_run_is_held_against_the_plan_that_was_told(kit: Any, tmp_path: Path) -> None:
    """Although the runs before it have taught what such answers take."""

    def figures(one: PlanCandidate) -> tuple[float | None, ...]:
        return one.seconds, one.energy_j, one.total_j, one.power_w

    async def run() -> None:
        house = kit.house(state_folder=tmp_path)  # not calibrated
        Simulated(house)
        report, tried = await tries(house, PlanAsk(prompt="x" * 200, threads=[1, 2]))
        shown = {one.threads: one for one in report.candidates}
        assert len(tried) == 2
        for one in tried:
            assert figures(one.predicted) == figures(shown[one.predicted.threads])
            seconds = shown[one.predicted.threads].seconds or 0.0
            assert one.seconds_error == pytest.approx(seconds / (one.seconds or 1.0) - 1.0)

    kit.run(run())


def test_an_answer_that_ends_early_is_held_against_its_own_length(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        engine = Simulated(house)
        pop = engine.pop

        def shorter(index: Any = 0) -> list[Any]:
            house.asked[-1] = house.asked[-1].__class__(
                **{f: getattr(house.asked[-1], f) for f in house.asked[-1].__struct_fields__}
                | {"max_tokens": 7}
            )
            return pop(index)

        engine.pop = shorter
        _, (tried,) = await tries(house, PlanAsk(prompt="x" * 30, max_tokens=90, threads=[2]))
        assert tried.completion_tokens == tried.predicted.completion_tokens == 7
        assert abs(tried.seconds_error or 1) < 0.05
        assert tried.temp_error_c is None

    kit.run(run())


def test_one_that_fails_does_not_end_the_others(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        made = Simulated(house)
        pop = made.pop
        outcomes = iter([[kit.started(), EngineError("it broke")]])
        made.pop = lambda index=0: next(outcomes, None) or pop(index)
        _, (first, second) = await tries(house)
        assert (first.failure, first.seconds) == ("it broke", None)
        assert second.failure is None
        assert second.seconds is not None

    kit.run(run())


def test_nobody_else_is_served_while_candidates_run(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        async with aclosing(house.service.tries(ASK)) as said:
            await anext(said)
            await anext(said)
            with pytest.raises(Unavailable, match="comparison of plans"):
                await house.answer()
        assert house.occupancy.active == 0
        async with aclosing(house.generate()) as request:
            await anext(request)
            with pytest.raises(Unavailable, match="1 requests"):
                await tries(house)

    kit.run(run())


def test_nothing_is_tried_where_the_governor_lets_nobody_in(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        asked = len(house.asked)
        house.governor_loop.allow(admission="queue", why="the budget is spent")
        with pytest.raises(Unavailable, match="the budget is spent"):
            await tries(house)
        assert (house.occupancy.active, len(house.asked)) == (0, asked)

    kit.run(run())


def test_the_board_is_given_back_when_the_engine_may_not_compute(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        begin, asked = house.now, len(house.asked)
        house.governor_loop.allow(duty=0.0, why="the cap of 2 W binds")
        _, tried = await tries(house)
        assert len(tried) == 2
        assert all("the cap of 2 W binds" in (t.failure or "") for t in tried)
        assert len(house.asked) == asked
        assert house.now - begin == pytest.approx(PATIENCE_S)
        assert house.occupancy.active == 0
        house.governor_loop.allow()
        assert len(await house.answer()) > 1

    kit.run(run())


@pytest.mark.parametrize(
    "limits", [{"admission": "queue", "why": "spent"}, {"duty": 0.0, "why": "spent"}]
)
def test_an_answer_that_comes_to_stand_is_given_up(
    kit: Any, tmp_path: Path, limits: dict[str, Any]
) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        soon(house)
        stop = lambda: house.governor_loop.allow(**limits)  # noqa: E731
        engine = Simulated(house)
        if "admission" in limits:  # between two candidates
            house.routing.planner._pause = before(stop, house.rest)
        else:  # in the midst of the first
            pop, never = engine.pop, asyncio.Event()
            engine.pop = lambda index=0: [*pop(index)[:4], stop, never]
        _, tried = await tries(house)
        assert len(tried) == 2
        assert all("spent" in (t.failure or "") for t in tried)
        assert (house.occupancy.active, house.open) == (0, 0)

    kit.run(run())


def test_an_answer_that_stands_for_a_while_only_is_no_failure(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = await calibrated(kit, tmp_path)
        on = asyncio.Event()
        looks = 0

        async def look(seconds: float) -> None:
            nonlocal looks
            looks += 1
            if looks == PATIENCE_S - 5:
                house.governor_loop.allow()
            if looks == 3 * PATIENCE_S:
                on.set()
            await asyncio.sleep(0)

        house.routing.planner._measurer._pause = look
        engine = Simulated(house)
        pop = engine.pop
        stop = lambda: house.governor_loop.allow(duty=0.0)  # noqa: E731

        def held(index: Any = 0) -> list[Any]:
            first, *rest = pop(index)
            return [first, stop, on, *rest[:-1], rest[-1]]

        engine.pop = held
        _, (tried,) = await tries(house, PlanAsk(prompt="x" * 30, max_tokens=20, threads=[2]))
        assert tried.failure is None
        assert looks >= 3 * PATIENCE_S

    kit.run(run())


def test_a_model_without_room(kit: Any) -> None:
    entry = replace(kit.entry, size=10**9)
    pool = cast(ModelPool, SimpleNamespace(residents=list[Any], get={}.get))
    needs = Room(Config(), pool, lambda: 1 << 40).lack(entry)
    assert needs is None
    needs = Room(Config(), pool, lambda: 10**9).lack(entry)
    assert needs is not None
    assert "can be had" in needs


def test_room_that_can_be_made_counts(kit: Any) -> None:
    entry = replace(kit.entry, size=10**9)
    sizes = {"need_bytes": 2 * 10**9, "mapped_bytes": 10**9}
    wanted = SimpleNamespace(model="other", file="other", **sizes)
    held = {"wanted": wanted, "mapped_bytes": 10**9}
    idle, busy = SimpleNamespace(**held, users=0), SimpleNamespace(**held, users=1)
    for resident, fits in ((idle, True), (busy, False)):
        loaded = SimpleNamespace(residents=lambda r=resident: [r], get={"other": resident}.get)
        pool = cast(ModelPool, loaded)
        assert (Room(Config(), pool, lambda: 10**9).lack(entry) is None) == fits
