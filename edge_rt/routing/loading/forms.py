"""The ways in which a model may be loaded."""

from __future__ import annotations

from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig
from edge_rt.engine.protocol import ModelSpec
from edge_rt.models.formats.summary import Summary
from edge_rt.models.record import ModelRecord

KV_NUMBER_BYTES = {"q4_0": 0.5625, "q8_0": 1.0625, "q8_0/f16": 1.53125, "f16": 2.0, "f32": 4.0}
"""Bytes of a number in the KV, keys and values together, by the type of both."""

_BLOCK = 32  # numbers of a head, of which those types take whole blocks
_IN_BLOCKS = {"q4_0": "kv", "q8_0": "kv", "q8_0/f16": "k"}  # what of keys and values is in blocks


def forms(entry: ModelRecord, engine: Engine) -> list[LoadConfig]:
    """All as configured that `entry` can have, the usual one first; onnxruntime knows just one."""
    if entry.backend == "onnx":
        return [LoadConfig(0, "f32")]
    wanted = engine.kv_types or _usual(engine)
    if entry.kind != "language":  # what such models have of it is gone after each pass
        wanted = ()
    types = [kind for kind in wanted if _fits(kind, entry.summary)] or ["f16"]
    return [LoadConfig(layers, kind) for kind in types for layers in engine.offloads]


def form_of(spec: ModelSpec) -> LoadConfig:
    """That of a model as it was loaded."""
    return LoadConfig(spec.gpu_layers, spec.kv_type)


def kv_bytes(entry: ModelRecord, engine: Engine, form: LoadConfig) -> int:
    """What keys and values of all sequences take."""
    summary = entry.summary
    cells = min(engine.context, summary.context_train) * engine.sequences
    return int(cells * summary.kv_per_token * KV_NUMBER_BYTES[form.kv_type])


def _usual(engine: Engine) -> tuple[str, ...]:
    """What llama.cpp gives the same answers with, where it can; see its backend."""
    return ("q8_0/f16",) if engine.flash_attention and not any(engine.offloads) else ()


def _fits(kv_type: str, summary: Summary) -> bool:
    heads = {"k": summary.head_dim_k, "v": summary.head_dim_v}
    return not any(heads[kind] % _BLOCK for kind in _IN_BLOCKS.get(kv_type, ""))
