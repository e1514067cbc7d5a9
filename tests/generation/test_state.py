"""The state is told whatever the engine does."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from edge_rt import __version__
from edge_rt.config.caching import Cache, Semantic
from edge_rt.config.schema import Config, Engine, Models
from edge_rt.core.cached import Which
from edge_rt.core.errors import Unavailable
from edge_rt.core.reports.offload import OffloadDevice
from edge_rt.engine.client import EngineLost
from edge_rt.engine.process import ExitReason
from edge_rt.governor.knobs.journal import KnobOutcome


def test_a_running_engine_tells_its_figures(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        await house.answer()
        house.now += 12.34
        house.running, house.steps = 1, 5
        status = await house.service.status()
        assert (status["version"], status["pid"]) == (__version__, os.getpid())
        assert (status["uptime_s"], status["requests"]) == (12.3, 0)
        assert status["rss_bytes"] > 1_000_000
        assert status["engine"] == {
            "state": "running",
            "pid": 42,
            "restarts": 0,
            "lost": None,
            "rss_bytes": 1000,
            "threads": 2,
            "running": 1,
            "waiting": 0,
            "steps": 5,
            "step_s": 1.0,
            "native_s": 0.9,
            "spare_s": 0.0,
            "gpu_s": None,
            "gpus": [],
        }
        assert status["models"] == [
            {"id": "tiny", "loaded": True, "backend": "llama.cpp", "context": 2048}
        ]
        [resident] = status["residents"]
        assert resident.pop("size_bytes") > 12 << 20
        assert resident == {
            "id": "tiny",
            "backend": "llama.cpp",
            "context": 2048,
            "gpu_bytes": 0,
            "gpu_layers": 0,
            "gpu_simulated": False,
            "requests": 0,
            "loaded_ago_s": 12.3,
            "used_ago_s": 12.3,
        }

    kit.run(run())


def test_layers_on_a_device_that_a_cpu_computes_are_told_as_simulated(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(Config(engine=Engine(gpu_layers=9)))
        house.supervisor.engine.gpus = [OffloadDevice("llvmpipe", "Vulkan", True, 2, 1, True)]
        await house.answer()
        status = await house.service.status()
        assert status["engine"]["gpus"] == [
            {
                "name": "llvmpipe",
                "backend": "Vulkan",
                "shared": True,
                "total_bytes": 2,
                "free_bytes": 1,
                "simulated": True,
            }
        ]
        [resident] = status["residents"]
        assert resident["gpu_simulated"] is True

    kit.run(run())


def test_a_store_without_models_is_told_as_a_problem_and_fails_the_health_check(kit: Any) -> None:
    async def run() -> None:
        house = kit.house(models=())
        [problem] = (await house.service.status())["problems"]
        assert (problem.code, problem.fatal) == ("no_model", True)
        assert problem.message.startswith("No text model is installed. Run: edge-rt models pull")
        with pytest.raises(Unavailable, match="No text model is installed") as caught:
            await house.service.health()
        assert (caught.value.code, caught.value.retry_after_s) == ("no_model", None)

    kit.run(run())


def test_models_that_the_configuration_names_and_the_store_lacks_are_told(kit: Any) -> None:
    async def run() -> None:
        models = Models(
            default="nosuch",
            preload=["tiny", "other"],
            smaller={"tiny": "less"},
            aliases={"gpt": "tiny", "gpt-big": "most", "any": "auto"},
        )
        house = kit.house(Config(models=models, cache=Cache(semantic=Semantic(model="tiny"))))
        problems = (await house.service.status())["problems"]
        assert [(p.message, p.fatal) for p in problems] == [
            ("models.default: no model nosuch", True),
            ("models.preload[1]: no model other", False),
            ("models.smaller.tiny: no model less", False),
            ("models.aliases.gpt-big: no model most", False),
            (
                "cache.semantic.model: tiny is a language model: an embedding model is needed",
                False,
            ),
        ]
        with pytest.raises(Unavailable, match=r"^models\.default: no model nosuch$"):
            await house.service.health()

    kit.run(run())


def test_a_healthy_daemon_has_no_problems(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        assert (await house.service.status())["problems"] == []
        assert (await house.service.health())["status"] == "ok"

    kit.run(run())


def test_requests_that_wait_files_and_knobs_are_problems_with_their_reasons(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.governor_loop.allow(admission="queue", why="the power cap of 3 W leaves nothing")
        house.knobs = [KnobOutcome("nvpmodel", "failed", said="there is no nvpmodel here")]
        house.front.heat.leakage.trouble.met("disk full")
        waiting = asyncio.ensure_future(house.answer())
        await asyncio.sleep(0)
        problems = (await house.service.status())["problems"]
        house.governor_loop.allow(admission="open")
        await waiting
        assert [(p.code, p.message) for p in problems][:2] == [
            ("waiting", "1 request waits: the power cap of 3 W leaves nothing"),
            ("knob", "nvpmodel: there is no nvpmodel here"),
        ]
        assert problems[2].code == "storage"
        assert "disk full" in problems[2].message

    kit.run(run())


def test_an_engine_that_is_not_there_is_starting(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.supervisor.current = house.supervisor.pid = None
        house.supervisor.restarts = 3
        house.supervisor.exit_reason = ExitReason("exit 1")
        status = await house.service.status()
        told = {"state": "starting", "pid": None, "restarts": 3, "lost": "exit 1"}
        assert status["engine"] == told

    kit.run(run())


def test_an_engine_that_says_nothing_is_busy(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.engine.lost.set()
        status = await house.service.status()
        assert status["engine"] == {"state": "busy", "pid": 42, "restarts": 0, "lost": None}

    kit.run(run())


def test_an_engine_tells_what_it_keeps_of_prompts_or_is_asked_again(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        assert (await house.service.state.prefixes()).forgotten == 0
        assert (await house.service.state.prefixes(Which())).forgotten == 3
        house.engine.fails.append(EngineLost("gone"))
        with pytest.raises(Unavailable, match="keeps of prompts"):
            await house.service.state.prefixes()

    kit.run(run())


def test_open_requests_are_counted(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        with house.occupancy.request(2), house.occupancy.request(2):
            assert (await house.service.status())["requests"] == 2
        assert (await house.service.status())["requests"] == 0

    kit.run(run())


def test_heat_of_which_nothing_is_known_is_told_as_such(kit: Any) -> None:
    async def run() -> None:
        heat = (await kit.house().service.status())["heat"]
        assert (heat.ambient_c, heat.phi, heat.trusted) == (None, None, False)
        assert heat.leakage_note.startswith("assumed: doubles each 20 K")
        assert heat.leakage_source == "assumed"

    kit.run(run())
