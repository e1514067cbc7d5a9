"""A summary says what a model is and needs, or why it is none."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.summary import Summary, read_summary

Write = Callable[..., Path]
Gguf = Any  # the builder of conftest.py


def f32(value: float) -> bytes:
    return struct.pack("<If", 6, value)


def u32(value: int) -> bytes:
    return struct.pack("<II", 4, value)


def text(value: str) -> bytes:
    return struct.pack("<IQ", 8, len(value)) + value.encode()


def numbers(values: list[int]) -> bytes:
    return struct.pack(f"<IIQ{len(values)}i", 9, 5, len(values), *values)


def test_a_small_model(gguf: Gguf, write: Write) -> None:
    path = write(gguf)
    summary = read_summary(path)
    assert (summary.architecture, summary.name) == ("llama", "Tiny Test")
    assert (summary.licence, summary.organisation) == ("mit", "Nobody")
    assert (summary.layers, summary.heads, summary.kv_heads) == (2, 4, 2)
    assert (summary.head_dim_k, summary.head_dim_v) == (16, 16)
    assert (summary.context_train, summary.vocab) == (2048, 600)
    assert summary.quantisation == "Q4_0"
    assert summary.parameters == 64 * 600 + 64 + 640
    assert summary.file_bytes == path.stat().st_size
    assert summary.kv_bytes(100) == 100 * 2 * 2 * (16 + 16) * 2  # cells, layers, heads, dims, f16


def test_it_survives_the_manifest(gguf: Gguf, write: Write) -> None:
    summary = read_summary(write(gguf))
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_the_kv_counts_each_layer_that_has_one(gguf: Gguf, write: Write) -> None:
    hybrid = gguf.changed(llama__attention__head_count_kv=numbers([4, 0]))
    summary = read_summary(write(hybrid))
    assert summary.kv_heads == 4
    assert summary.kv_per_token == 4 * (16 + 16)


def test_stated_head_sizes_win(gguf: Gguf, write: Write) -> None:
    stated = gguf.changed(llama__attention__key_length=u32(24))
    summary = read_summary(write(stated))
    assert (summary.head_dim_k, summary.head_dim_v) == (24, 16)


def test_without_kv_heads_every_head_has_its_own(gguf: Gguf, write: Write) -> None:
    assert read_summary(write(gguf.changed(llama__attention__head_count_kv=None))).kv_heads == 4


def test_without_a_name_for_the_mix_most_numbers_decide(gguf: Gguf, write: Write) -> None:
    assert read_summary(write(gguf.changed(general__file_type=None))).quantisation == "Q4_0"


EXPERTS = {"llama__expert_count": u32(8), "llama__expert_used_count": u32(2)}


def test_experts_that_a_token_does_not_use_are_told_apart(gguf: Gguf, write: Write) -> None:
    dense = read_summary(write(gguf))
    experts = [("blk.0.ffn_up_exps.weight", [32, 8], 0, 1024), ("blk.0.ffn_up_shexp", [8], 0, 32)]
    mixed = replace(gguf.changed(**EXPERTS), tensors=[*gguf.tensors, *experts])
    summary = read_summary(write(mixed))
    assert (dense.idle_parameters, dense.idle_bytes) == (0, 0)
    assert summary.parameters == dense.parameters + 32 * 8 + 8
    assert (summary.idle_parameters, summary.idle_bytes) == (32 * 6, 4 * 32 * 6)  # six of eight


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"general__architecture": None}, "'general.architecture' is missing"),
        ({"general__architecture": u32(1)}, "not text"),
        ({"general__type": text("adapter")}, "only lora can be used"),
        ({"split__count": u32(3)}, "one of 3 parts"),
        ({"llama__block_count": None}, "'llama.block_count' is missing"),
        ({"llama__block_count": u32(0)}, "is 0, expected 1 to"),
        ({"llama__block_count": struct.pack("<If", 6, 2.0)}, "is 2.0, expected"),
        ({"llama__context_length": u32(0)}, "'llama.context_length' is 0"),
        ({"llama__attention__head_count_kv": numbers([1, 1, 1])}, "3 numbers for 2 layers"),
        ({"llama__attention__head_count": u32(2**20)}, "expected 0 to 65536"),
        ({"llama__block_count": u32(513)}, "expected 1 to 512"),
        ({"llama__attention__layer_norm_rms_epsilon": f32(-1.0)}, "epsilon' is -1.0, expected"),
        ({"llama__attention__layer_norm_epsilon": f32(math.nan)}, "epsilon' is nan, expected"),
        ({"llama__attention__group_norm_epsilon": f32(math.inf)}, "epsilon' is inf, expected"),
        ({"llama__attention__head_count_kv": u32(3)}, "head_count' is 4 for 3 heads"),
        ({"llama__rope__dimension_count": u32(7)}, "is 7, expected an even number up to 16"),
        ({"llama__rope__dimension_count": u32(18)}, "is 18, expected an even number up to 16"),
        ({"llama__pooling_type": u32(5)}, "expected -1 to 4"),
        ({"llama__expert_count": u32(8)}, "is 0 of 8 experts"),
        ({"llama__expert_used_count": u32(1)}, "is 1 of 0 experts"),
        (
            {"llama__expert_count": u32(8), "llama__expert_used_count": numbers([2, 9])},
            "is 9 of 8 experts",
        ),
        ({"llama__expert_group_count": u32(2)}, "is 2, expected 0 to 0"),
        ({**EXPERTS, "llama__expert_group_count": u32(3)}, "is 3 for 8 experts"),
        (
            {**EXPERTS, "llama__expert_group_count": u32(4)},
            "'llama.expert_group_used_count' is 0, expected 1 to 3",
        ),
    ],
)
def test_what_is_no_model_is_named(
    change: dict[str, bytes | None], words: str, gguf: Gguf, write: Write
) -> None:
    with pytest.raises(ModelFileError, match=words):
        read_summary(write(gguf.changed(**change)))


def test_a_file_without_vocabulary_is_refused(gguf: Gguf, write: Write) -> None:
    keys = {k: v for k, v in gguf.metadata.items() if not k.startswith("tokenizer.ggml")}
    with pytest.raises(ModelFileError, match="no vocabulary"):
        read_summary(write(replace(gguf, metadata=keys)))


def test_the_real_model(smollm2: Path) -> None:
    summary = read_summary(smollm2)
    assert (summary.architecture, summary.quantisation) == ("llama", "Q4_1")
    assert (summary.layers, summary.heads, summary.kv_heads) == (30, 9, 3)
    assert summary.parameters == 134_515_008
    assert (summary.context_train, summary.vocab) == (8192, 49152)
    assert summary.kv_bytes(4096) == 90 * 1024 * 1024


def bert(gguf: Gguf, architecture: str = "bert", **keys: bytes) -> Gguf:
    """The model, as one of an architecture that has other names for its keys."""
    renamed = {
        key.replace("llama.", f"{architecture}."): value for key, value in gguf.metadata.items()
    }
    changed = renamed | {"general.architecture": text(architecture)}
    return replace(gguf, metadata=changed | {f"{architecture}.{k}": v for k, v in keys.items()})


@pytest.mark.parametrize(
    ("architecture", "pooling", "kind", "word"),
    [
        ("bert", None, "embedding", None),
        ("bert", 1, "embedding", "mean"),
        ("nomic-bert", 2, "embedding", "cls"),
        ("qwen3", 3, "embedding", "last"),
        ("qwen3", 4, "embedding", None),  # ranks
        ("qwen3", 0, "language", None),
        ("llama", None, "language", None),
    ],
)
def test_models_that_place_texts_are_told_from_those_that_write(
    architecture: str, pooling: int | None, kind: str, word: str | None, gguf: Gguf, write: Write
) -> None:
    keys = {} if pooling is None else {"pooling_type": u32(pooling)}
    summary = read_summary(write(bert(gguf, architecture, **keys)))
    assert (summary.kind, summary.pooling) == (kind, word)
    assert summary.ranks is (pooling == 4)
    assert summary.normalise is (kind == "embedding" and pooling != 4)
