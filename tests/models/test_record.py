"""What the catalogue says of a model, and of what it was made from, is told with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_rt.models.catalogue import (
    Catalogue,
    CatalogueEntry,
    EvaluatedQuality,
    ModelFile,
    SamplingDefaults,
)
from edge_rt.models.formats.card import CARD, read_card, write_card
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store

Known = Callable[..., ModelRecord]
OF_SOURCE = EvaluatedQuality(figures={"gsm8k": 0.4}, source="a paper")
OWN = EvaluatedQuality(figures={"gsm8k": 0.3})


def listed(id: str, content: bytes, quality: EvaluatedQuality | None) -> CatalogueEntry:
    sha256 = hashlib.sha256(content).hexdigest()
    return CatalogueEntry(
        id=id,
        description="A test",
        publisher="Publisher",
        licence="Apache-2.0",
        backend="llama.cpp",
        files=[ModelFile(name=f"{id}.gguf", bytes=len(content), sha256=sha256)],
        sampling=SamplingDefaults(temperature=0.3),
        quality=quality,
    )


@pytest.fixture
def made(tmp_path: Path, gguf: Any, write: Callable[..., Path]) -> Known:
    """The entry of a model that was made from a known one, for what the catalogue says of it."""
    content = gguf.changed(general__license=None, general__organization=None).encode()

    def made(own: EvaluatedQuality | None, *, listed_too: bool) -> ModelRecord:
        source = listed("source", b"the source", OF_SOURCE)
        known = [listed("made", content, own)] if listed_too else []
        store = Store(tmp_path / "store", Catalogue([source, *known]))
        return store.add(write(content), source_sha256=source.sha256)

    return made


def test_a_model_has_its_own_figures(made: Known) -> None:
    entry = made(OWN, listed_too=True)
    assert (entry.quality, entry.source_quality) == (OWN, OF_SOURCE)
    assert entry.presumed_quality == OWN


def test_without_own_figures_those_of_the_source_are_presumed(made: Known) -> None:
    entry = made(None, listed_too=False)
    assert (entry.quality, entry.presumed_quality) == (None, OF_SOURCE)


def test_a_model_that_nobody_describes_is_used_as_its_source(made: Known) -> None:
    entry = made(None, listed_too=False)
    assert entry.sampling.given() == {"temperature": 0.3}
    assert (entry.licence, entry.owner) == ("Apache-2.0", "Publisher")


def test_nothing_is_presumed_of_a_model_without_source(
    tmp_path: Path, gguf: Any, write: Callable[..., Path]
) -> None:
    entry = Store(tmp_path / "store", Catalogue()).add(write(gguf))
    assert (entry.quality, entry.source_quality, entry.presumed_quality) == (None, None, None)


def test_what_onnxruntime_runs_a_model_with_is_told(
    tmp_path: Path, folder: Callable[..., Path]
) -> None:
    path = folder()
    card = read_card(path / CARD)
    (path / CARD).write_bytes(write_card(card))  # as the catalogue has it
    plain = Store(tmp_path / "store", Catalogue()).add(path)
    assert plain.providers == ()
    listed = CatalogueEntry(
        id="listed",
        description="A test",
        publisher="Publisher",
        licence="MIT",
        backend="onnx",
        card=card,
        files=[
            ModelFile(name=file.name, bytes=file.stamp.size, sha256=file.sha256)
            for file in plain.files
            if file.name != CARD
        ],
        providers=["tensorrt", "cuda"],
    )
    known = Store(tmp_path / "store", Catalogue([listed])).get(plain.id)
    assert known.providers == ("tensorrt", "cuda")
