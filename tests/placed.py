"""A house with two models, whose answers take what the test says, to be placed in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as changed

from edge_rt.config.schema import Config, Engine, Models
from edge_rt.core.routing import LoadConfig, Objectives, Prediction, RouteRequest
from edge_rt.models.catalogue import EvaluatedQuality
from edge_rt.routing.loading import load_config_of

NAMES = {"a": "a@" + "a" * 12, "b": "b@" + "b" * 12}
MOST = 1 << 40
LAYERS = 20
F16_BYTES, Q4_BYTES = 2_097_152_000, 589_824_000  # of the KV of a model with forms

Takes = Callable[[str, LoadConfig | None], float | None]
"""Joules of an answer by the model's id and form; None for the form: the usual one."""


def house_of(
    kit: Any,
    costs_j: Mapping[str, float | None] | Takes,
    load_s: float = 1.0,
    seconds: float = 1.0,
    engine: Engine = Engine(),  # noqa: B008 - it is frozen
    **models: Any,
) -> Any:
    """A house with the models "a" and "b", whose answers take so many joules; a's `seconds`."""
    house = kit.house(Config(engine=engine, models=Models(**models)))
    wide = changed(
        kit.entry.summary, head_dim_k=32, head_dim_v=32, kv_per_token=128_000, layers=LAYERS
    )
    summary = kit.entry.summary if engine == Engine() else wide
    entries = [replace(kit.entry, id=id, sha256=id * 64, summary=summary) for id in ("a", "b")]
    house.entries = lambda: entries

    def predict(entry: Any, *rest: Any) -> Prediction:
        whole_s = seconds if entry.id == "a" else 1.0
        phases_s = whole_s / 2, whole_s / 2
        load = rest[5] if len(rest) > 5 else None
        energy_j = costs_j(entry.id, load) if callable(costs_j) else costs_j[entry.id]
        return Prediction(whole_s, *phases_s, energy_j, None, 5.0, 0.05, 0.05, "calibrated")

    house.routing.forecaster.predict = predict
    house.routing.variants._load_s = lambda entry: load_s
    room(house, MOST)
    return house


def graded(house: Any, **figures: float) -> None:
    """Have models be of that share of right answers in a test that nobody knows."""
    found = {
        id.replace("_", "-"): EvaluatedQuality(figures={"own": p}) for id, p in figures.items()
    }
    entries = [replace(e, quality=found.get(e.id), source_quality=None) for e in house.entries()]
    house.entries = lambda: entries


def room(house: Any, usable: int) -> None:
    """Let models have so many bytes in all."""
    room = house.routing.placer._room
    taken = lambda: sum(r.wanted.need_bytes for r in house.pool.residents())  # noqa: E731
    room._available = lambda: usable - taken() + room._config.models.reserve_bytes


async def ask(house: Any, model: str, times: int = 50, quality: float | None = None) -> None:
    """Have so many requests for a model routed, one in five seconds."""

    async def write(model: str) -> str:
        return "x" * 400

    for _ in range(times):
        house.now += 5.0
        route_request = RouteRequest(
            "1", model, write, max_tokens=100, objectives=Objectives(quality=quality)
        )
        await house.service.route(route_request)


async def look(house: Any) -> str | None:
    """One look of the placer."""
    return await house.routing.placer.look(house.service, house.service.preload)


def loaded(house: Any) -> dict[str, LoadConfig]:
    """How each model is loaded, by the engine's names."""
    return {r.wanted.model: load_config_of(r.wanted.spec) for r in house.pool.residents()}
