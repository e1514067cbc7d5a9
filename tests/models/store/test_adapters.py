"""Adapters in the store, and the names of models with adapters."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_rt.config.schema import Models
from edge_rt.core.errors import ModelFileError, ModelNotFound, RequestError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.directory import ModelDirectory
from edge_rt.models.naming import split_adapters
from edge_rt.models.store.store import Store

Write = Callable[..., Path]


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<IQ", 8, len(raw)) + raw


def adapter(gguf: Any, architecture: str = "llama", kind: str = "lora") -> Any:
    """The parts of an adapter's file."""

    said = {"general.type": "adapter", "adapter.type": kind, "general.architecture": architecture}
    tensors = [("blk.0.attn_q.weight.lora_a", [64, 4], 0, 1024)]
    return replace(gguf, metadata={key: text(v) for key, v in said.items()}, tensors=tensors)


@pytest.fixture
def store(tmp_path: Path, gguf: Any, write: Write) -> Store:
    store = Store(tmp_path / "store", Catalogue())
    store.add(write(gguf, "base.gguf"), "base")
    for place, name in enumerate(("pirate", "style")):
        file = adapter(gguf)
        store.add(write(file.encode() + bytes(place), f"{name}.gguf"), name)
    return store


def test_an_adapter_is_a_record_that_answers_nothing_itself(store: Store) -> None:
    found = store.get("style")
    assert (found.kind, found.summary.architecture) == ("adapter", "llama")
    assert store.verify("style") == found
    default = store.default(None)
    assert default is not None
    assert default.id == "base"
    directory = ModelDirectory(store, Models())
    assert [one.id for one in directory.candidates("auto")] == ["base"]
    with pytest.raises(RequestError, match=r"style writes no text: .*BASE\+ADAPTER"):
        directory.candidates("style")


def test_a_model_with_adapters_is_a_model_of_its_own(store: Store) -> None:
    base = store.get("base")
    one, half, two = (
        store.get(name) for name in ("base+style", "base+style=0.5", "base+style+pirate")
    )
    assert one.id == "base+style"
    assert half.id == "base+style=0.5"
    assert [(a.id, scale) for a, scale in two.adapters] == [("style", 1.0), ("pirate", 1.0)]
    assert len({model.sha256 for model in (base, one, half, two)}) == 4
    assert one.path == base.path
    assert one.summary == base.summary
    assert store.get("base+style=1").sha256 == one.sha256
    assert store.check("base+style+pirate") == base.path
    assert store.get("base+1").sha256 == one.sha256, "by its number among the adapters"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("base+nobody", ModelNotFound),
        ("nobody+style", ModelNotFound),
        ("base+7", ModelNotFound),
        ("base+", ModelNotFound),
        ("base+base", RequestError),
        ("style+pirate", RequestError),
        ("base+style=much", RequestError),
        ("base+style=", RequestError),
        ("base+style=nan", RequestError),
    ],
)
def test_what_cannot_be_adapted_is_refused(store: Store, name: str, error: type) -> None:
    with pytest.raises(error):
        store.get(name)


def test_an_adapter_of_another_architecture_does_not_fit(
    store: Store, gguf: Any, write: Write
) -> None:
    store.add(write(adapter(gguf, "qwen3"), "other.gguf"), "other")
    with pytest.raises(RequestError, match="other is for qwen3, not base"):
        store.get("base+other")
    with pytest.raises(ModelFileError, match="type 'dora'"):
        store.add(write(adapter(gguf, kind="dora"), "dora.gguf"))


def test_a_damaged_adapter_is_found_before_a_load(store: Store) -> None:
    store.get("style").path.write_bytes(b"other")
    with pytest.raises(ModelFileError, match="style"):
        store.check("base+style")
    assert store.check("base+pirate")


def test_an_alias_or_the_default_may_be_adapted(store: Store) -> None:
    directory = ModelDirectory(store, Models(aliases={"gpt": "base"}))
    expected = store.get("base+style").sha256
    for name in ("gpt+style", "default+style", "base+style", "base+style:latest"):
        [found] = directory.candidates(name)
        assert found.sha256 == expected, name


def test_names_with_scales_are_split() -> None:
    assert split_adapters("a") == ("a", [])
    assert split_adapters("a+b=0.5+c") == ("a", [("b", 0.5), ("c", 1.0)])
