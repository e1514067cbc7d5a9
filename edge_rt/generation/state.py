"""What the daemon is doing, for people and for its own watchers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

import msgspec

from edge_rt import __version__
from edge_rt.config.schema import Config
from edge_rt.config.tree import dotted
from edge_rt.core.cached import Prefixes, Which
from edge_rt.core.errors import Unavailable
from edge_rt.core.events import Tokenized
from edge_rt.core.occupancy import Occupancy
from edge_rt.core.reports.board import BoardReport
from edge_rt.core.reports.governor import GovernorState, HeatModelState
from edge_rt.core.reports.planning import StorageReport
from edge_rt.core.requests import LoadedModel, ModelCard
from edge_rt.core.system.process import rss_bytes
from edge_rt.energy.usage import TokenCounts
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.model_pool import ModelPool, Resident
from edge_rt.engine.supervisor import Supervisor
from edge_rt.models.configured import missing_models
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store

RETRY_S = 2.0  # while the engine does not answer
VOCABULARY_S = 60.0  # for what a vocabulary tells, which waits for models that are being loaded
PATIENCE_S = 5.0  # for the decode loop's own figures
_TOLD = ("rss_bytes", "threads", "running", "waiting", "steps", "step_s", "native_s", "spare_s")


class Problem(msgspec.Struct, frozen=True):
    """One finding: `code` names it for programs, `message` says what to do about it.

    A `fatal` one keeps the daemon from answering: GET /health then has the status 503.
    """

    code: str
    message: str
    fatal: bool = False


def model_problems(config: Config, store: Store) -> Iterator[Problem]:
    """Yield what is wrong with the models that the store and the configuration name."""
    if not store.entries():
        message = "No text model is installed. Run: edge-rt models pull"
        yield Problem("no_model", message, fatal=True)
    for key, reason in missing_models(config, store):
        unusable = key == ("models", "default")
        yield Problem("model_not_found", f"{dotted(key)}: {reason}", fatal=unusable)


def other_problems(
    governor: GovernorState, queued: int, failing: Mapping[str, str], left_out: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield what is wrong with budget, supply, waiting requests, knobs, files and sensors."""
    for warning in governor.warnings:
        yield Problem("budget", warning)
    for fault in governor.supply:
        yield Problem("supply", fault)
    if queued:
        requests = "1 request waits" if queued == 1 else f"{queued} requests wait"
        yield Problem("waiting", f"{requests}: {governor.why}")
    for knob in governor.knobs:
        if knob.error is not None:
            yield Problem("knob", f"{knob.name}: {knob.error}")
    for reason in failing.values():
        yield Problem("storage", reason)
    for name, reason in left_out.items():
        yield Problem("sensor", f"{name}: {reason}")


class State:
    """Describes the daemon."""

    def __init__(
        self,
        supervisor: Supervisor,
        pool: ModelPool,
        occupancy: Occupancy,
        tokens: TokenCounts,
        clock: Callable[[], float],
    ) -> None:
        """`tokens` counts those of all requests; `clock` is in seconds."""
        self.occupancy = occupancy
        self._supervisor, self._pool = supervisor, pool
        self._tokens = tokens
        self._clock = clock
        self._born = clock()

    async def report(
        self,
        cards: list[ModelCard],
        board: BoardReport,
        governor: GovernorState,
        heat: HeatModelState,
        queued: int,
        storage: StorageReport,
        problems: list[Problem],
    ) -> dict[str, object]:
        """Return the whole state; figures that cannot be had now are None.

        `queued` requests wait for the governor.
        """
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(self._clock() - self._born, 1),
            "rss_bytes": rss_bytes(),
            "requests": self.occupancy.active,
            "queued": queued,
            "tokens": asdict(self._tokens),
            "board": _board(board),
            "governor": governor,
            "heat": heat,
            "storage": storage,
            "problems": problems,
            "engine": await self._engine(),
            "models": [
                {
                    "id": c.id,
                    "loaded": c.loaded,
                    "backend": c.backend,
                    "context": c.context or None,  # none: it takes no text
                }
                for c in cards
            ],
            "residents": [
                _resident(one, self._clock(), board.simulated) for one in self._pool.residents()
            ],
        }

    def loaded(self, idle_s: float | None) -> list[LoadedModel]:
        """Return the models in memory, which leave it when they were unused for `idle_s`."""
        now_s = self._clock()
        return [
            LoadedModel(
                id=one.wanted.model.partition("@")[0],
                size_bytes=one.wanted.need_bytes,
                gpu_bytes=one.wanted.gpu_bytes,
                context=one.wanted.spec.context or None,
                leaves_in_s=idle_s and idle_s - (0.0 if one.users else now_s - one.used_s),
            )
            for one in self._pool.residents()
        ]

    async def prefixes(self, forget: Which | None = None) -> Prefixes:
        """Return what the engine keeps of prompts, once `forget` is gone; raises Unavailable."""
        client = await self._supervisor.client()
        try:
            return await asyncio.wait_for(client.prefixes(forget), PATIENCE_S)
        except (asyncio.TimeoutError, EngineLost):
            why = "the engine does not tell what it keeps of prompts"
            raise Unavailable(why, retry_after_s=RETRY_S) from None

    async def tokenize(
        self,
        entry: ModelRecord,
        text: str | list[int],
        *,
        special: bool,
        begins: bool,
        pieces: bool,
    ) -> Tokenized:
        """Return the tokens of a text, or what tokens stand for.

        Raises RequestError or Unavailable.
        """
        client = await self._supervisor.client()
        asking = client.tokenize(
            entry.backend,
            str(entry.path),
            text,
            special=special,
            begins=begins,
            pieces=pieces,
        )
        try:
            return await asyncio.wait_for(asking, VOCABULARY_S)
        except (asyncio.TimeoutError, EngineLost):
            why = "the engine does not tell tokens now"
            raise Unavailable(why, retry_after_s=RETRY_S) from None

    async def _engine(self) -> dict[str, object]:
        client = self._supervisor.current
        base: dict[str, object] = {
            "pid": self._supervisor.pid,
            "restarts": self._supervisor.restarts,
            "lost": self._supervisor.exit_reason and self._supervisor.exit_reason.why,
        }
        if client is None:
            return {"state": "starting", **base}
        figures = await _figures(client)
        return {"state": "running" if figures else "busy", **base, **figures}


def _board(report: BoardReport) -> dict[str, object]:
    """Return the board in a few lines; /edge/v1/board has all of it."""
    supply = report.supply
    return {
        "id": report.board.id if report.board else None,
        "simulated": report.simulated,
        "power_w": supply.power_w if supply else None,
        "power_quality": supply.quality if supply else None,
        "idle_w": supply.idle_w if supply else None,
        "temp_c": report.temp_c,
        "throttled": report.throttled,
    }


def _resident(resident: Resident, now_s: float, simulated: bool) -> dict[str, object]:
    """Describe a model in memory; its sizes are upper estimates.

    A `simulated` board's GPU is simulated, and so is one in whose place a CPU computes.
    """
    wanted = resident.wanted
    layers = wanted.spec.gpu_layers
    simulated = simulated or any(gpu.simulated for gpu in resident.client.gpus)
    return {
        "id": wanted.model.partition("@")[0],
        "backend": wanted.spec.backend,
        "context": wanted.spec.context or None,
        "size_bytes": wanted.need_bytes,
        "gpu_bytes": wanted.gpu_bytes,
        "gpu_layers": layers,
        "gpu_simulated": simulated and layers > 0,
        "requests": resident.users,
        "loaded_ago_s": round(now_s - resident.loaded_s, 1),
        "used_ago_s": 0.0 if resident.users else round(now_s - resident.used_s, 1),
    }


async def _figures(client: EngineClient) -> dict[str, object]:
    try:
        pong = await asyncio.wait_for(client.ping(), PATIENCE_S)
    except (asyncio.TimeoutError, EngineLost):
        return {}
    told: dict[str, object] = {name: getattr(pong, name) for name in _TOLD}
    gpus = msgspec.to_builtins(client.gpus)
    return told | {"gpu_s": pong.gpu_s if pong.offloads else None, "gpus": gpus}
