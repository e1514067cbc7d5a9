"""A name stands for some models, whatever a client calls them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from edge_rt.config.schema import Models
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.models.directory import ModelDirectory


@pytest.fixture
def models(kit: Any) -> Any:
    house = kit.run(made(kit))
    summary = changed(kit.entry.summary, quantisation="Q4_0")
    smol = replace(kit.entry, id="smol", sha256="1" * 64, summary=summary)
    of_smol = {"source_sha256": smol.sha256}
    q8 = changed(summary, quantisation="Q8_0", **of_smol)
    onnx = changed(summary, quantisation="int4", **of_smol)
    entries = [
        replace(smol, id="big", sha256="4" * 64),
        smol,
        replace(smol, id="smol-copy"),
        replace(smol, id="smol-onnx", sha256="2" * 64, backend="onnx", summary=onnx),
        replace(smol, id="smol-q8", sha256="3" * 64, summary=q8),
    ]
    house.entries = lambda: entries
    return house.routing.models


async def made(kit: Any) -> Any:
    return kit.house()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auto", ["big", "smol", "smol-copy", "smol-onnx", "smol-q8"]),
        ("big", ["big"]),
        ("smol", ["smol", "smol-onnx"]),
        ("smol:latest", ["smol", "smol-onnx"]),
        ("smol-onnx", ["smol-onnx", "smol", "smol-copy"]),
        ("smol-q8", ["smol-q8"]),  # quantised anew, it is another model
        ("default", ["big"]),
        ("smol@onnx-int4", ["smol-onnx"]),
        ("smol@llama.cpp", ["smol", "smol-q8"]),
        ("smol@llama.cpp-Q4_0", ["smol"]),
        ("smol-onnx@llama.cpp-q8_0", ["smol-q8"]),
        ("auto@onnx", ["smol-onnx"]),
    ],
)
def test_the_models_that_may_answer_for_a_name(models: Any, name: str, expected: list[str]) -> None:
    assert [entry.id for entry in models.candidates(name)] == expected


def test_a_name_that_nothing_has_is_told(models: Any) -> None:
    with pytest.raises(ModelNotFound, match="smoll"):
        models.candidates("smoll")


@pytest.mark.parametrize("pin", ["onnx-int8", ""])
def test_a_pin_that_nothing_has_is_told_what_there_is(models: Any, pin: str) -> None:
    there = "there are: llama.cpp-q4_0, llama.cpp-q8_0, onnx-int4"
    with pytest.raises(RequestError, match=f"'smol' has no variant '{pin}'; {there}") as caught:
        models.candidates(f"smol@{pin}")
    assert (caught.value.param, caught.value.code) == ("model", "variant_not_found")


@pytest.mark.parametrize(
    ("others", "small"),
    [
        ({"a": {"size": 25}}, "a"),
        ({"a": {"size": 40}}, None),  # a token costs only 2.5 times less
        ({"a": {"size": 10}, "b": {"size": 30}, "c": {"size": 40}}, "b"),
        ({"a": {"size": 25, "vocab": 601}}, None),
        ({"a": {"size": 25, "eos_token": "<end>"}}, None),
        ({"a": {"size": 25, "control_tokens": ("<tool>",)}}, None),
        ({"a": {"size": 25, "longest_token": 99}}, None),
        ({"a": {"size": 25, "context_train": 1024}}, None),
        ({"a": {"size": 25, "backend": "onnx"}}, None),
    ],
)
def test_a_pair_that_no_catalogue_names(
    kit: Any, others: dict[str, Any], small: str | None
) -> None:
    house = kit.run(made(kit))
    own = {"size", "backend"}
    entries = [replace(kit.entry, id="large", size=100)]
    for id, fields in others.items():
        summary = changed(kit.entry.summary, **{k: v for k, v in fields.items() if k not in own})
        kept = {k: v for k, v in fields.items() if k in own}
        entries.append(replace(kit.entry, id=id, summary=summary, **kept))
    house.entries = lambda: entries
    found = ModelDirectory(house, Models()).unlisted("large")
    assert [(pair.large, pair.small, pair.mode) for pair in found] == (
        [] if small is None else [("large", small, None)]
    )
