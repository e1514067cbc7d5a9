"""What the configuration says comes to the rooms that it concerns."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from scripted_engine import build

from edge_rt.board.detection import usable_cores
from edge_rt.config.caching import Cache
from edge_rt.config.paths import of_board
from edge_rt.config.schema import (
    BudgetConfig,
    Config,
    Engine,
    GovernorConfig,
    Knobs,
    Sensors,
)
from edge_rt.core.limits import ClockSteps
from edge_rt.engine.client import EngineClient
from edge_rt.engine.protocol import KeepPrefixes, SetLimits
from edge_rt.server.container import Container
from edge_rt.testing.board import FakeBoard


def rooms(directory: Path, **config: Any) -> Container:
    return build(Config(sensors=Sensors(root=str(directory / "board")), **config), directory)


@pytest.mark.parametrize(
    ("config", "threads"),
    [
        ({}, usable_cores()),
        ({"engine": Engine(threads=7)}, 7),
    ],
)
def test_there_are_no_more_threads_than_cores_that_the_engine_may_use(
    kit: Any, tmp_path: Path, config: dict[str, Any], threads: int
) -> None:
    async def run() -> None:
        assert rooms(tmp_path, **config).governor_loop.limits.threads == threads

    kit.run(run())


@pytest.mark.parametrize(
    ("cache", "kept"),
    [
        (Cache(), (256 << 20, 128 << 20, False)),
        (Cache(prefix_bytes=5, prefix_hourly_bytes=3, per_client=True), (5, 3, True)),
        (Cache(prefix_bytes=0), None),
        (Cache(enabled=False), None),
    ],
)
def test_each_engine_is_told_what_to_keep_of_prompts(
    kit: Any, tmp_path: Path, cache: Cache, kept: tuple[int, int, bool] | None
) -> None:
    said: list[KeepPrefixes] = []

    class Client:
        hello = None

        def send(self, message: KeepPrefixes | SetLimits) -> None:
            if isinstance(message, KeepPrefixes):
                said.append(message)

    async def run() -> None:
        rooms(tmp_path, cache=cache)._greet(cast(EngineClient, Client()))

    kit.run(run())
    folder = str(tmp_path / "prefixes")
    assert said == ([] if kept is None else [KeepPrefixes(folder, *kept)])


def test_what_is_kept_no_more_is_gone_once_the_doors_open(kit: Any, tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_text("x")

    async def run() -> None:
        async with rooms(tmp_path, cache=Cache(enabled=False)).open():
            await asyncio.sleep(0)  # so that all has begun that is to end
            assert not (tmp_path / "cache.db").exists()

    kit.run(run())


def test_budget_and_manners_come_to_the_governor(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        made = rooms(
            tmp_path,
            budget=BudgetConfig(power_w=6.0, energy_j=500.0, energy_period="hour"),
            governor=GovernorConfig(horizon_s=45.0),
        )
        told = made.service.budget().budget
        assert (told.power_w, told.energy_j, told.energy_period) == (6.0, 500.0, "hour")
        await made.governor_loop.look()
        assert made.service.budget().horizon_s == 45.0

    kit.run(run())


@pytest.mark.parametrize(
    ("board", "simulated"), [("jetson-orin-nano-8gb", True), ("raspberry-pi-5", False)]
)
def test_the_engine_of_a_simulated_board_with_a_gpu_is_told_that_there_is_none(
    kit: Any, tmp_path: Path, board: str, simulated: bool
) -> None:
    async def run() -> None:
        command = rooms(tmp_path, board=board).supervisor._command
        assert ("simulated-gpu" in command) is simulated

    kit.run(run())


def test_the_governor_may_choose_among_the_clocks_of_a_governed_board(
    kit: Any, tmp_path: Path
) -> None:
    tree = FakeBoard(tmp_path / "board")
    folder = tree.policy(0, "0 1", 1_000_000, 2_000_000, 400_000)
    tree.write(folder, {"scaling_available_frequencies": "400000 1000000 2000000"})

    async def run() -> None:
        made = rooms(tmp_path, knobs=Knobs(cpufreq="governed"))
        async with made.open():
            for _ in range(1000):
                if made.knobs.clocks.steps.cpu_hz:
                    break
                await asyncio.sleep(0.01)
            await made.governor_loop.look()
            assert made.governor_loop.governor.clocks == ClockSteps(cpu_hz=(0.4e9, 1e9, 2e9))
            assert made.governor_loop.seen is not None
            assert made.governor_loop.seen.cpu_hz == 2e9

    kit.run(run())


def test_what_is_opened_is_closed(kit: Any, tmp_path: Path) -> None:
    async def run() -> None:
        made = rooms(tmp_path, budget=BudgetConfig(energy_j=500.0, energy_period="hour"))
        async with made.open() as service:
            await made.supervisor.client()
            engine = made.supervisor.pid
            governor = (await service.status())["governor"]
            assert governor.budget.energy_j == service.budget().budget.energy_j == 500.0
        assert engine is not None
        assert not Path(f"/proc/{engine}").exists()
        assert (of_board(tmp_path, made.senses.simulated) / "ledger.db").exists()

    kit.run(run())
