"""A model is asked for as configured, and its memory is not underestimated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_rt.config.schema import Engine
from edge_rt.routing.loading import DRAFT_ROWS, TOKEN_BYTES, wanted

PATH = Path("/models/tiny.gguf")


def test_the_configuration_reaches_the_engine(kit: Any) -> None:
    engine = Engine(
        context=1024, sequences=3, batch=99, prefill_chunk=55, gpu_layers=7, flash_attention=False
    )
    spec = wanted(kit.entry, PATH, engine).spec
    assert (spec.backend, spec.path) == ("llama.cpp", str(PATH))
    assert (spec.context, spec.sequences, spec.batch) == (1024, 3, 99)
    assert (spec.prefill_chunk, spec.gpu_layers, spec.flash_attention) == (55, 7, False)


@pytest.mark.parametrize(
    ("layers", "share"),
    [(0, 0.0), (1, 1 / 3), (2, 2 / 3), (3, 1.0), (999, 1.0)],
)
def test_the_share_of_layers_on_a_gpu_is_told(kit: Any, layers: int, share: float) -> None:
    """Of two layers and the output, which llama.cpp counts as a layer and puts there first."""
    assert wanted(kit.entry, PATH, Engine(gpu_layers=layers)).spec.gpu_share == share


@pytest.mark.parametrize(
    ("providers", "share"),
    [((), 0.0), (("xnnpack", "cpu"), 0.0), (("Tensorrt", "CUDAExecutionProvider"), 1.0)],
)
def test_onnxruntime_computes_on_a_gpu_where_its_provider_does(
    kit: Any, providers: tuple[str, ...], share: float
) -> None:
    entry = replace(kit.entry, backend="onnx", providers=providers)
    assert wanted(entry, PATH, Engine()).spec.gpu_share == share


def test_no_more_context_than_the_model_was_made_for(kit: Any) -> None:
    assert wanted(kit.entry, PATH, Engine(context=1 << 20)).spec.context == 2048


@pytest.mark.parametrize("change", [{"context": 1024}, {"sequences": 8}, {"batch": 1024}])
def test_more_of_anything_needs_more_memory(kit: Any, change: dict) -> None:
    small = Engine(context=512, sequences=2, batch=128)
    large = msgspec.structs.replace(small, **change)
    need = wanted(kit.entry, PATH, small).need_bytes
    assert need < wanted(kit.entry, PATH, large).need_bytes
    assert need < wanted(replace(kit.entry, size=5000), PATH, small).need_bytes
    assert need >= kit.entry.size + 512 * 2 * 128 * 2  # the file and f16 KV of all sequences


def test_a_model_of_onnxruntime_maps_nothing_and_holds_its_scores(kit: Any) -> None:
    engine = Engine(context=512, sequences=2, batch=128)
    onnx = replace(kit.entry, backend="onnx", providers=("xnnpack", "cpu"))
    found, other = wanted(onnx, PATH, engine), wanted(kit.entry, PATH, engine)
    assert (found.mapped_bytes, other.mapped_bytes) == (0, kit.entry.size)
    longer = wanted(onnx, PATH, msgspec.structs.replace(engine, context=1024))
    scores, numbers = 128 * kit.entry.summary.heads * 512, 512 * 2 * 128
    assert longer.need_bytes - found.need_bytes == scores * 4 + numbers * 4
    assert (found.spec.backend, found.spec.providers) == ("onnx", ("xnnpack", "cpu"))
    assert other.spec.providers == ()


def test_drafts_can_be_read_and_their_logits_are_counted(kit: Any) -> None:
    engine = Engine(context=512, sequences=2, batch=128)
    for backend in ("llama.cpp", "onnx"):
        entry = replace(kit.entry, backend=backend)
        found = wanted(entry, PATH, engine)
        assert found.spec.outputs == 2 + DRAFT_ROWS
        wordy = replace(entry, summary=msgspec.structs.replace(entry.summary, vocab=1600))
        more = wanted(wordy, PATH, engine).need_bytes - found.need_bytes
        vocabulary = TOKEN_BYTES if backend == "llama.cpp" else 0
        assert more == 1000 * ((2 + DRAFT_ROWS) * 4 + vocabulary)
    summary = msgspec.structs.replace(kit.entry.summary, kind="embedding", pooling="cls")
    assert wanted(replace(kit.entry, summary=summary), PATH, engine).spec.outputs == 0


def test_kind_and_pooling_reach_the_engine(kit: Any) -> None:
    summary = msgspec.structs.replace(
        kit.entry.summary, kind="embedding", pooling="cls", normalise=True
    )
    entry = replace(kit.entry, summary=summary, size=10_000_000)
    spec = wanted(entry, PATH, Engine()).spec
    assert (spec.kind, spec.pooling, spec.normalise) == ("embedding", "cls", True)


def test_small_models_of_onnxruntime_are_larger_in_memory_than_on_disk(kit: Any) -> None:
    summary = msgspec.structs.replace(kit.entry.summary, kind="embedding")
    small = replace(kit.entry, summary=summary, backend="onnx", size=1_000_000)
    large = replace(small, size=2_000_000)
    needs = [wanted(entry, PATH, Engine()).need_bytes for entry in (small, large)]
    assert needs[1] - needs[0] == 3_000_000
