"""The state is told whatever the engine does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from edge_rt import __version__
from edge_rt.cache.kept import Which
from edge_rt.engine.client import EngineLost
from edge_rt.engine.fate import Fate
from edge_rt.errors import Unavailable


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
        }
        assert status["models"] == [
            {"id": "tiny", "loaded": True, "backend": "llama.cpp", "context": 2048}
        ]

    kit.run(run())


def test_an_engine_that_is_not_there_is_starting(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        house.supervisor.current = house.supervisor.pid = None
        house.supervisor.restarts = 3
        house.supervisor.fate = Fate("exit 1")
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
        assert (await house.service.prefixes()).forgotten == 0
        assert (await house.service.prefixes(Which())).forgotten == 3
        house.engine.fails.append(EngineLost("gone"))
        with pytest.raises(Unavailable, match="keeps of prompts"):
            await house.service.prefixes()

    kit.run(run())


def test_open_requests_are_counted(kit: Any) -> None:
    async def run() -> None:
        house = kit.house()
        with house.state.request(2), house.state.request(2):
            assert (await house.service.status())["requests"] == 2
        assert (await house.service.status())["requests"] == 0

    kit.run(run())


def test_heat_of_which_nothing_is_known_is_told_as_such(kit: Any) -> None:
    async def run() -> None:
        heat = (await kit.house().service.status())["heat"]
        assert (heat.ambient_c, heat.phi, heat.trusted) == (None, None, False)
        assert heat.leakage_note.startswith("not known")

    kit.run(run())
