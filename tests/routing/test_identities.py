"""A model is another one to the cache as soon as anything about it changes its answers."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace as other

from edge_rt.config.schema import Config, Engine, Router
from edge_rt.models.pair import Pair

SUMMARY_CHANGES = [
    {"chat_template": "{{ messages[-1].content }}"},
    {"eos_token": "</s>"},
    {"context_train": 1024},
]


def digests(house: Any, model: str = "tiny", partner: str | None = None) -> list[bytes]:
    return [one.digest for one in house.service.identities.of(model, partner)]


def test_it_is_looked_at_once_while_the_store_stays_as_it_is(kit: Any) -> None:
    house = kit.house()
    first = house.service.identities.of("tiny", None)
    house.entry = replace(house.entry, sha256="1" * 64)
    assert house.service.identities.of("tiny", None) is first
    house.changes += 1
    assert house.service.identities.of("tiny", None) is not first


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: replace(entry, sha256="1" * 64),
        lambda entry: replace(entry, backend="onnx"),
        lambda entry: replace(entry, providers=("CUDAExecutionProvider",)),
        *(
            lambda entry, change=change: replace(entry, summary=other(entry.summary, **change))
            for change in SUMMARY_CHANGES
        ),
    ],
)
def test_other_files_or_what_is_read_of_them(kit: Any, change: Any) -> None:
    house = kit.house()
    before = digests(house)
    house.entry = change(house.entry)
    house.changes += 1
    assert digests(house) != before


@pytest.mark.parametrize("build", ["onnxruntime", "onnxruntime-gpu", "llguidance"])
def test_another_build_of_the_library(
    kit: Any, monkeypatch: pytest.MonkeyPatch, build: str
) -> None:
    def digests_with(record: str) -> list[bytes]:
        def distribution(package: str) -> Any:
            if package != build:
                raise PackageNotFoundError(package)
            return SimpleNamespace(read_text=lambda name: record)

        monkeypatch.setattr("edge_rt.routing.identities.distribution", distribution)
        house = kit.house()
        house.entry = replace(house.entry, backend="onnx")
        return digests(house)

    assert digests_with("one") == digests_with("one") != digests_with("two")


@pytest.mark.parametrize(
    "engine", [{"context": 1024}, {"flash_attention": False}, {"gpu_layers": 9}]
)
def test_other_settings_of_the_engine(kit: Any, engine: dict) -> None:
    changed = kit.house(Config(engine=Engine(**engine)))
    assert digests(changed) != digests(kit.house())


def test_another_floor_of_quality(kit: Any) -> None:
    changed = kit.house(Config(router=Router(quality="high")))
    assert digests(changed, "auto") != digests(kit.house(), "auto")


def test_every_model_that_may_answer_counts(kit: Any) -> None:
    house = kit.house(models=("tiny", "two"))
    assert [one.card.id for one in house.service.identities.of("auto", None)] == ["tiny", "two"]
    assert digests(house, "tiny") == digests(kit.house(), "tiny")
    assert digests(house, "default") == digests(house, "tiny")
    assert digests(house, "tiny") != digests(house, "two")


def test_a_pair_and_how_it_answers(kit: Any) -> None:
    found = {tuple(digests(kit.house(models=("tiny", "two"))))}
    for pair in (
        Pair(large="tiny", small="two"),
        Pair(large="tiny", small="two", mode="switch:entropy"),
        Pair(large="tiny", small="two", mode="switch:entropy", large_share=0.3),
        Pair(large="tiny", small="gone"),
    ):
        house = kit.house(models=("tiny", "two"))
        house.known_pairs = [pair]
        found.add(tuple(digests(house)))
    assert len(found) == 5


def test_a_partner_that_is_named(kit: Any) -> None:
    house = kit.house(models=("tiny", "two"))
    assert len({tuple(digests(house, "tiny", name)) for name in (None, "two", "gone")}) == 3


@pytest.mark.parametrize(
    ("engine", "summary", "repeats"),
    [
        ({}, {"head_dim_k": 64}, True),
        ({}, {"head_dim_k": 64, "quantisation": "Q4_K_M"}, False),
        ({}, {"head_dim_k": 64, "window": 512}, False),
        ({}, {"head_dim_k": 64, "state_bytes": 4096}, False),
        ({}, {"head_dim_k": 48}, False),  # its keys fit no blocks
        ({"gpu_layers": 9}, {"head_dim_k": 64}, False),
        ({"flash_attention": False}, {"head_dim_k": 64}, False),
    ],
)
def test_a_seed_repeats_where_the_backend_says_so(
    kit: Any, engine: dict, summary: dict, repeats: bool
) -> None:
    house = kit.house(Config(engine=Engine(**engine)))
    house.entry = replace(house.entry, summary=other(house.entry.summary, **summary))
    assert [one.repeats for one in house.service.identities.of("tiny", None)] == [repeats]


def test_templates_that_ask_for_the_time(kit: Any) -> None:
    house = kit.house(models=("tiny", "two"))
    house.known_pairs = [Pair(large="tiny", small="two")]
    template = "{{ strftime_now('%d %b') }}{{ messages[0].content }}"
    usual = {entry.id: entry for entry in house.entries()}
    timed = {
        id: replace(entry, summary=other(entry.summary, chat_template=template))
        for id, entry in usual.items()
    }

    def found(*entries: Any) -> tuple[str, ...]:
        house.entries = lambda: list(entries)
        house.changes += 1
        (one,) = house.service.identities.of("tiny", None)
        return one.timed

    assert found(usual["tiny"], usual["two"]) == ()
    assert found(timed["tiny"], usual["two"]) == ("tiny",)
    assert found(usual["tiny"], timed["two"]) == ("two",)
    assert found(timed["tiny"], timed["two"]) == ("tiny", "two")
