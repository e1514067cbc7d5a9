"""A calibration finds what the engine is made to do, and leaves all or nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from simulated import Formula, Simulated

from edge_rt.board_model.calibration import FOLDER, load_calibrations
from edge_rt.config.schema import Config, Engine, Models
from edge_rt.core.errors import EngineError, ModelFileError, ModelNotFound, Unavailable
from edge_rt.core.reports.planning import Calibrated, CalibrateRequest, Progress, Refused
from edge_rt.core.routing import Prediction
from edge_rt.energy.calibration.timing import FULL, QUICK

ASK = CalibrateRequest(quick=True)


def saved(folder: Path) -> list[Any]:
    found, unusable = load_calibrations(folder / FOLDER)
    assert unusable == []
    return found


async def all_of(house: Any, ask: CalibrateRequest = ASK) -> list[Any]:
    return [said async for said in house.service.calibrate(ask)]


def test_it_finds_speeds_and_watts(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        *progress, end = await all_of(house)
        assert all(isinstance(word, Progress) for word in progress)
        assert isinstance(end, Calibrated)
        assert end.board == "unknown"
        formula = engine.formula
        for fitted, threads in zip(end.models, (1, 2), strict=True):
            assert (fitted.model, fitted.threads) == ("tiny", threads)
            prefill_s = formula.prefill_s(256, threads)
            assert fitted.prefill_tokens_per_s == pytest.approx(256 / prefill_s, rel=0.02)
            assert fitted.decode_tokens_per_s == pytest.approx(50 * threads, rel=0.01)
            assert fitted.idle_w == pytest.approx(3.0)
            assert fitted.prefill_w == pytest.approx(3.0 + 5.0 * threads, rel=0.02)
            assert fitted.decode_w == pytest.approx(3.0 + 2.0 * threads, rel=0.02)
            assert fitted.quality == "measured"
            assert fitted.runtime_error is not None
            assert fitted.runtime_error < 0.01
            assert fitted.energy_error is not None
            assert fitted.energy_error < 0.03
        assert [c.threads for c in saved(tmp_path)] == [1, 2]

    kit.run(run())


def test_what_it_found_is_what_is_predicted_from_then_on(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        await all_of(house)
        again = kit.house(state_folder=tmp_path)  # after a restart
        for forecaster in (house.routing.forecaster, again.routing.forecaster):
            found = forecaster.predict(house.get("tiny"), 2, 300, 0, 40)
            assert isinstance(found, Prediction)
            assert found.basis == "calibrated"
            expected = engine.formula.prefill_s(300, 2) + engine.formula.decode_s(40, 2)
            assert found.seconds == pytest.approx(expected, rel=0.02)
        assert again.service.calibration() == house.service.calibration()

    kit.run(run())


def test_progress_rises_to_the_end(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"), state_folder=tmp_path)
        Simulated(house)
        *progress, _ = await all_of(house, CalibrateRequest())
        shares = [word.done for word in progress]
        assert shares == sorted(shares)
        assert 0.0 <= shares[0] < 0.1
        assert 0.7 < shares[-1] < 1.0
        told = {word.doing.partition(",")[0] for word in progress}
        assert {"a", "b"} <= told

    kit.run(run())


def test_progress_goes_by_time(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        Simulated(house)
        begin, seen = house.now, list[tuple[float, float]]()
        async for word in house.service.calibrate(CalibrateRequest()):
            if isinstance(word, Progress):
                seen.append((house.now - begin, word.done))
        whole_s = house.now - begin
        # At first it knows only how long it may take at most; then it learns.
        assert all(done <= elapsed_s / whole_s + 0.05 for elapsed_s, done in seen)

    kit.run(run())


def test_a_quick_one_keeps_its_time_whatever_the_model(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house, Formula(token_s=0.05, step_s=0.3))
        begin = house.now
        *_, end = await all_of(house)
        assert isinstance(end, Calibrated)
        assert house.now - begin < 60.0
        assert len({prompt for prompt, _, _ in engine.made}) < 1 + len(QUICK.lengths)

    kit.run(run())


def test_a_thread_count_without_time_for_two_runs_gets_them_all_the_same(
    kit: Any, tmp_path: Path
) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house, Formula(token_s=0.5, step_s=0.3))
        await all_of(house)
        for threads in (1, 2):
            prompts = [prompt for prompt, _, count in engine.made if count == threads]
            assert prompts == [16, 16, 64]  # to warm up, and what a fit needs

    kit.run(run())


def test_a_full_one_reads_all_lengths_with_all_threads(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house, Formula(token_s=0.001, step_s=0.002))
        await all_of(house, CalibrateRequest())
        fitting = {n for n in FULL.lengths if n + FULL.answer <= 2048}
        for threads in (1, 2):
            assert {p for p, _, t in engine.made if t == threads} == fitting

    kit.run(run())


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"guard": "caution"}, "the board is hot"),
        ({"duty": 0.5, "why": "the cap of 8 W binds"}, "the cap of 8 W binds"),
        ({"admission": "queue", "why": "the budget is spent"}, "the budget is spent"),
    ],
)
def test_a_board_that_is_hot_or_held_back_is_refused(
    kit: Any, tmp_path: Path, limits: dict[str, Any], words: str
) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        house.governor_loop.allow(**limits)
        for ask in (ASK, CalibrateRequest(quick=True, force=True)):
            (refused,) = await all_of(house, ask)
            assert isinstance(refused, Refused)
            assert words in refused.reason
        assert engine.made == saved(tmp_path) == []

    kit.run(run())


def test_other_programs_at_work_are_a_reason_unless_forced(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        house.cpu.others = 1.3
        *_, refused = await all_of(house)
        assert isinstance(refused, Refused)
        assert "1.3 cores" in refused.reason
        assert engine.made == []
        *_, end = await all_of(house, CalibrateRequest(quick=True, force=True))
        assert isinstance(end, Calibrated)

    kit.run(run())


def test_requests_and_calibrations_do_not_mix(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        Simulated(house)
        async with aclosing(house.generate()) as request:
            await anext(request)
            (refused,) = await all_of(house)
            assert "1 requests are waiting or running" in refused.reason
        async with aclosing(house.service.calibrate(ASK)) as said:
            await anext(said)
            with pytest.raises(Unavailable) as caught:
                await house.answer()
            assert caught.value.code == "calibrating"
            assert 5.0 <= caught.value.retry_after_s <= 60.0
            (refused,) = await all_of(house)
            assert "under way" in refused.reason
        assert len(await house.answer()) > 1

    kit.run(run())


def test_who_leaves_leaves_nothing_behind(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        async with aclosing(house.service.calibrate(ASK)) as said:
            async for word in said:
                if "256 tokens" in word.doing:
                    break
        assert engine.made
        assert saved(tmp_path) == []
        assert (house.open, house.occupancy.active) == (0, 0)
        assert house.governor_loop.limits.threads == 2
        assert house.pool.residents()[0].users == 0
        *_, end = await all_of(house)
        assert isinstance(end, Calibrated)

    kit.run(run())


def test_a_board_that_becomes_too_hot_ends_it(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        engine.before = lambda number: number == 4 and house.governor_loop.allow(guard="hold")
        *_, refused = await all_of(house)
        assert isinstance(refused, Refused)
        assert "hot" in refused.reason
        assert saved(tmp_path) == []
        assert house.occupancy.active == 0

    kit.run(run())


def test_an_engine_that_may_not_go_on_ends_it(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(models=("a", "b"), state_folder=tmp_path)
        engine = Simulated(house)
        pop, never = engine.pop, asyncio.Event()

        def stop() -> None:
            house.governor_loop.allow(duty=0.0, why="the cap of 2 W binds")

        def standing(index: Any = 0) -> list[Any]:
            script = pop(index)
            return script if len(engine.made) < 4 else [*script[:4], stop, never]

        async def look(seconds: float) -> None:
            await asyncio.sleep(0)

        engine.pop = standing
        house.routing.planner._measurer._pause = look  # it is the calibrator's too
        *_, refused = await all_of(house, CalibrateRequest())
        assert isinstance(refused, Refused)
        assert "the cap of 2 W binds" in refused.reason
        assert (house.occupancy.active, house.open, len(engine.made)) == (0, 0, 4)

    kit.run(run())


def test_a_board_that_cools_in_time_goes_on(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        engine.before = lambda number: number == 4 and house.governor_loop.allow(guard="caution")
        rest = house.rest
        house.rests = 0

        async def cool(seconds: float) -> None:
            house.rests += 1
            if house.rests > 5:
                house.governor_loop.allow()
            await rest(seconds)

        timing = house.routing.calibrator._tools.readiness
        timing._pause = cool
        *_, end = await all_of(house)
        assert isinstance(end, Calibrated)

    kit.run(run())


def test_without_power_there_are_speeds_alone(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        Simulated(house)
        house.senses.supply = None
        *_, end = await all_of(house)
        for fitted in end.models:
            assert fitted.decode_tokens_per_s == pytest.approx(50 * fitted.threads, rel=0.01)
            assert (fitted.idle_w, fitted.prefill_w, fitted.quality) == (None, None, "unresolved")
        assert [c.draws for c in saved(tmp_path)] == [None, None]

    kit.run(run())


def test_a_model_that_is_not_there(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        with pytest.raises(ModelNotFound):
            await all_of(house, CalibrateRequest(model="other"))
        assert house.occupancy.active == 0

    kit.run(run())


def test_an_alias_stands_for_its_model(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        config = Config(models=Models(aliases={"chat": "tiny"}))
        house = kit.house(config=config, state_folder=tmp_path)
        Simulated(house)
        *_, end = await all_of(house, CalibrateRequest(quick=True, model="chat:latest"))
        assert {fitted.model for fitted in end.models} == {"tiny"}

    kit.run(run())


def test_an_engine_that_fails_is_an_error(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        Simulated(house)
        house.scripts = [[kit.started(), EngineError("it broke")]]
        with pytest.raises(EngineError, match="it broke"):
            await all_of(house)
        assert (house.occupancy.active, saved(tmp_path)) == (0, [])

    kit.run(run())


def test_its_joules_are_booked_under_its_name(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        house = kit.house(state_folder=tmp_path)
        engine = Simulated(house)
        await all_of(house)
        report = await house.service.ledger(1, 1000)
        assert {entry.model for entry in report.last} == {"calibration"}
        assert len(report.last) == len(engine.made)

    kit.run(run())


def test_each_offload_is_timed_unless_it_has_to_be_quick(kit: Any, tmp_path: Path) -> None:
    async def run(ask: CalibrateRequest, folder: Path) -> set[tuple[int, str, int]]:
        house = kit.house(Config(engine=Engine(gpu_layers=[9, 0])), state_folder=folder)
        Simulated(house)
        *_, end = await all_of(house, ask)
        found = {(one.gpu_layers, one.kv_type, one.threads) for one in end.models}
        assert found == {(c.gpu_layers, c.kv_type, c.threads) for c in saved(folder)}
        return found

    full = kit.run(run(CalibrateRequest(model="tiny"), tmp_path / "full"))
    assert full == {(layers, "f16", threads) for layers in (0, 9) for threads in (1, 2)}
    quick = kit.run(run(ASK, tmp_path / "quick"))
    assert quick == {(9, "f16", threads) for threads in (1, 2)}


@pytest.mark.parametrize(
    "fault", [Unavailable("no room", retry_after_s=1.0), ModelFileError("the GPU is full")]
)
def test_an_offload_that_cannot_be_had_leaves_the_others(
    kit: Any, tmp_path: Path, fault: Exception
) -> None:
    async def run() -> None:
        house = kit.house(Config(engine=Engine(gpu_layers=[9, 0])), state_folder=tmp_path)
        Simulated(house)
        load = house.engine.load

        async def on_the_cpu(model: str, spec: Any) -> Any:
            if spec.gpu_layers:
                raise fault
            return await load(model, spec)

        house.engine.load = on_the_cpu
        *_, end = await all_of(house, CalibrateRequest(model="tiny"))
        assert isinstance(end, Calibrated)
        assert {one.gpu_layers for one in end.models} == {0}
        assert len(saved(tmp_path)) == 2  # one for each number of threads

    kit.run(run())
