"""A plan for a name is about all that may answer for it, and says which would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from edge_rt.core.errors import RequestError
from edge_rt.core.reports.planning import PlanAsk, PlanCandidate
from edge_rt.core.routing import Prediction

JOULES = {"tiny": 5.0, "tiny-onnx": 4.0, "big": 9.0}


@pytest.fixture
def house(kit: Any) -> Any:
    house = kit.run(_house(kit))
    onnx = changed(kit.entry.summary, quantisation="int4", source_sha256="0" * 64)
    entries = [
        replace(kit.entry, id="big", sha256="2" * 64),
        replace(kit.entry, created=1),
        replace(kit.entry, id="tiny-onnx", sha256="1" * 64, backend="onnx", summary=onnx),
    ]
    house.entries = lambda: entries

    def predict(entry: Any, threads: int, *rest: Any, **how: Any) -> Prediction:
        energy_j = JOULES[entry.id] * threads
        return Prediction(1.0, 0.5, 0.5, energy_j, energy_j, None, 0.05, 0.05, "calibrated")

    house.routing.forecaster.predict = predict
    house.routing.variants._load_s = lambda entry: 0.1
    return house


async def _house(kit: Any) -> Any:
    return kit.house()


def planned(kit: Any, house: Any, *models: str) -> list[PlanCandidate]:
    ask = PlanAsk(prompt="x" * 40, models=list(models))
    return kit.run(house.service.plan(ask)).candidates


def test_auto_is_about_all_and_the_routers_choice_is_the_chosen_one(kit: Any, house: Any) -> None:
    first, *others = planned(kit, house, "auto")
    assert (first.model, first.backend, first.threads) == ("big", "llama.cpp", 2)
    assert "this is the largest of 2 that can answer" in first.reason
    assert {c.model for c in others} == {"tiny", "tiny-onnx", "big"}
    assert not any(c.chosen for c in others)


def test_an_id_is_about_its_variants(kit: Any, house: Any) -> None:
    found = planned(kit, house, "tiny")
    assert {c.model for c in found} == {"tiny", "tiny-onnx"}
    assert (found[0].model, found[0].chosen) == ("tiny-onnx", True)


def test_a_pin_and_the_default_are_about_one(kit: Any, house: Any) -> None:
    for name in ("tiny@llama.cpp", "tiny@llama.cpp-q4_1", "default"):
        found = planned(kit, house, name)
        assert {c.model for c in found} == {"tiny"}
        assert "governor" in found[0].reason


def test_without_names_the_default_is_the_chosen_one(kit: Any, house: Any) -> None:
    found = planned(kit, house)
    assert len(found) == 6
    assert (found[0].model, found[0].chosen) == ("tiny", True)


def test_a_variant_that_is_not_there_is_named(kit: Any, house: Any) -> None:
    with pytest.raises(RequestError, match=r"no variant 'onnx-int8'"):
        planned(kit, house, "tiny@onnx-int8")
