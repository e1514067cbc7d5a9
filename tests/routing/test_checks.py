"""Only models that write are asked to write, and the others say what to ask them for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import msgspec
import pytest

from edge_rt.config.schema import Config, Models
from edge_rt.core.chat_format import ChatPrompt
from edge_rt.core.errors import RequestError
from edge_rt.core.reports.planning import CalibrateRequest, PlanAsk
from edge_rt.core.routing import RouteRequest
from edge_rt.models.formats.summary import Kind
from edge_rt.models.record import ModelRecord

SILENT = [kind for kind in get_args(Kind) if kind != "language"]


def of_kind(entry: ModelRecord, id: str, kind: str) -> ModelRecord:
    return replace(entry, id=id, summary=msgspec.structs.replace(entry.summary, kind=kind))


def house_with(kit: Any, kind: str, config: Config | None = None) -> Any:
    """A house whose model "silent" is of that kind; "tiny" writes."""
    house = kit.house(config, ("silent", "tiny"))
    entries = [of_kind(house.entry, "silent", kind), house.get("tiny")]
    house.entries = lambda: entries
    return house


@pytest.mark.parametrize(
    ("kind", "instead"), [("embedding", "POST /v1/embeddings"), ("tensors", "remove it")]
)
def test_no_text_is_asked_of_what_writes_none(kind: str, instead: str, kit: Any) -> None:
    async def run() -> None:
        house = house_with(kit, kind)
        refused = pytest.raises(RequestError, match=rf"silent writes no text.*{instead}")
        with refused as caught:
            await house.service.router.route(RouteRequest("1", "silent", "hey"))
        assert (caught.value.param, caught.value.code) == ("model", "unsupported")
        with refused:
            await house.answer("silent")
        with refused:
            await house.service.render("silent", ChatPrompt([]))
        with refused:
            await house.service.plan(PlanAsk(prompt="x", models=["silent"]))
        with refused:
            async for _ in house.service.calibrate(CalibrateRequest(model="silent")):
                pass
        assert house.loads == []
        assert [card.id for card in house.service.cards()] == ["silent", "tiny"]

    kit.run(run())


@pytest.mark.parametrize("kind", SILENT)
def test_plans_leave_out_what_writes_no_text(kind: str, kit: Any) -> None:
    async def run() -> None:
        house = house_with(kit, kind, Config(models=Models(default="tiny")))
        report = await house.service.plan(PlanAsk(prompt="x"))
        assert {candidate.model for candidate in report.candidates} == {"tiny"}

    kit.run(run())


def test_nothing_silent_stands_in(kit: Any) -> None:
    async def run() -> None:
        house = house_with(kit, "embedding", Config(models=Models(smaller={"tiny": "silent"})))
        house.governor_loop.allow(smaller=True, why="hot")
        plan = await house.service.router.route(RouteRequest("1", "tiny", "hey"))
        assert plan.model == "tiny"

    kit.run(run())


def test_a_default_that_writes_no_text_is_told(kit: Any) -> None:
    async def run() -> None:
        house = house_with(kit, "embedding", Config(models=Models(default="silent")))
        with pytest.raises(RequestError, match="silent writes no text"):
            await house.service.router.route(RouteRequest("1", "default", "hey"))

    kit.run(run())
