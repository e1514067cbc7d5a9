"""How a model may be loaded is as configured, as far as it can have that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from edge_rt.backends.llama import memory
from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig
from edge_rt.models.loading import (
    LEAST_MARKS,
    MARKS,
    MARKS_BYTES,
    kv_bytes,
    load_configs,
    mark_bytes,
)
from edge_rt.routing.loading import load_config_of, wanted

PATH = Path("/models/tiny.gguf")


@pytest.fixture
def wide(kit: Any) -> Any:
    """A model whose heads are of whole blocks."""
    return replace(
        kit.entry,
        summary=changed(kit.entry.summary, head_dim_k=64, head_dim_v=64, kv_per_token=512),
    )


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (Engine(), [LoadConfig(0, "q8_0/f16")]),
        (Engine(flash_attention=False), [LoadConfig(0, "f16")]),
        (Engine(gpu_layers=9), [LoadConfig(9, "f16")]),
        (Engine(gpu_layers=[9, 0]), [LoadConfig(9, "f16"), LoadConfig(0, "f16")]),
        (Engine(kv_type="q4_0"), [LoadConfig(0, "q4_0")]),
        (Engine(kv_type=["f16", "q4_0"]), [LoadConfig(0, "f16"), LoadConfig(0, "q4_0")]),
        (
            Engine(kv_type=["f16", "q8_0"], gpu_layers=[0, 9]),
            [
                LoadConfig(0, "f16"),
                LoadConfig(9, "f16"),
                LoadConfig(0, "q8_0"),
                LoadConfig(9, "q8_0"),
            ],
        ),
    ],
)
def test_all_that_are_configured_the_usual_one_first(
    wide: Any, engine: Engine, expected: list[LoadConfig]
) -> None:
    assert load_configs(wide, engine) == expected
    for load in expected:
        spec = wanted(wide, PATH, engine, load).spec
        assert spec.gpu_layers == load.gpu_layers
        assert load_config_of(spec) == load
    assert wanted(wide, PATH, engine) == wanted(wide, PATH, engine, expected[0])


def test_types_that_a_model_cannot_have_are_left_out(kit: Any, wide: Any) -> None:
    engine = Engine(kv_type=["q4_0", "q8_0/f16", "f16"])
    narrow = replace(wide, summary=changed(wide.summary, head_dim_k=64, head_dim_v=80))
    assert [load.kv_type for load in load_configs(narrow, engine)] == ["q8_0/f16", "f16"]
    assert load_configs(kit.entry, Engine(kv_type="q8_0")) == [LoadConfig(0, "f16")]


def test_onnxruntime_has_one_way(wide: Any) -> None:
    onnx = replace(wide, backend="onnx")
    engine = Engine(kv_type=["f16", "q4_0"], gpu_layers=[0, 9])
    assert load_configs(onnx, engine) == [LoadConfig(0, "f32")]
    assert wanted(onnx, PATH, engine).spec.kv_type == "f32"
    assert kv_bytes(onnx, engine, LoadConfig(0, "f32")) == 2048 * 4 * 512 * 4


def test_a_window_is_all_that_its_layers_keep(wide: Any) -> None:
    slides = changed(wide.summary, context_train=8192, window_per_token=384, window=1024)
    entry, load = replace(wide, summary=slides), LoadConfig(0, "f16")
    engine = Engine(context=8192, sequences=2, batch=500)
    window = 6 * 256  # whole blocks of cells for the window and what a pass reads
    assert kv_bytes(entry, engine, load) == 2 * (8192 * 128 + window * 384) * 2
    assert mark_bytes(entry, engine, load) == 2 * MARKS * 1024 * 384 * 2
    short = changed(engine, context=1280)
    assert kv_bytes(entry, short, load) == 2 * 1280 * 512 * 2
    assert mark_bytes(entry, short, load) == 0  # all of it is kept


def test_marks_are_few_where_they_are_large(wide: Any) -> None:
    engine, load = Engine(sequences=4), LoadConfig(0, "f16")
    ours = MARKS, MARKS_BYTES, LEAST_MARKS
    assert ours == (memory.MARKS, memory.MARKS_BYTES, memory.LEAST)  # which we cannot import
    for size, count in ((1000, 8), (100 << 20, 2), (64 << 20, 4), (1 << 30, 2)):
        entry = replace(wide, summary=changed(wide.summary, state_bytes=size))
        assert mark_bytes(entry, engine, load) == (count + engine.sequences) * size


def test_a_recurrent_state_does_not_grow_with_the_context(wide: Any) -> None:
    summary = changed(wide.summary, kv_per_token=0, state_bytes=5000)
    entry, load = replace(wide, summary=summary), LoadConfig(0, "f16")
    for context in (512, 2048):
        engine = Engine(context=context, sequences=3)
        assert kv_bytes(entry, engine, load) == 3 * 5000
        assert mark_bytes(entry, engine, load) == 3 * (MARKS + 1) * 5000


def test_models_that_keep_nothing_have_no_types_to_choose_from(wide: Any) -> None:
    vectors = replace(wide, summary=changed(wide.summary, kind="embedding"))
    assert load_configs(vectors, Engine(kv_type=["q8_0", "q4_0"])) == [LoadConfig(0, "f16")]


@pytest.mark.parametrize(("head", "kv_type"), [(128, "q8_0/f16"), (80, "f16")])
def test_the_backend_is_told_what_goes_by_the_size_of_heads_alone(
    wide: Any, head: int, kv_type: str
) -> None:
    """Not by the width of the model over their number: Qwen3-4B has 2560 / 32, and heads of 128."""
    sizes = {"embedding": 2560, "heads": 32, "head_dim_k": head, "head_dim_v": head}
    entry = replace(wide, summary=changed(wide.summary, **sizes))
    assert wanted(entry, PATH, Engine()).spec.kv_type == kv_type


def test_smaller_types_take_less_memory(wide: Any) -> None:
    engine = Engine(context=1024, sequences=2, kv_type=["f16", "q8_0/f16", "q8_0", "q4_0"])
    needs = [wanted(wide, PATH, engine, load).need_bytes for load in load_configs(wide, engine)]
    numbers = 1024 * 2 * 512
    assert [need - needs[0] for need in needs] == [
        -numbers * (2.0 - each) for each in (2.0, 1.53125, 1.0625, 0.5625)
    ]
