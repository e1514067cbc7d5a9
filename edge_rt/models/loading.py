"""How a model may be loaded, what its keys and values take, and what the engine calls it."""

from __future__ import annotations

from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig
from edge_rt.models.record import ModelRecord

KV_NUMBER_BYTES = {"q4_0": 0.5625, "q8_0": 1.0625, "q8_0/f16": 1.53125, "f16": 2.0, "f32": 4.0}
"""Bytes of a number in the KV, keys and values together, by the type of both."""

MARKS, MARKS_BYTES, LEAST_MARKS = 2, 256 << 20, 2  # see LlamaMarks
_CELLS = 256
_BLOCK = 32  # numbers of a head, of which those types take whole blocks
_IN_BLOCKS = {"q4_0": "kv", "q8_0": "kv", "q8_0/f16": "k"}  # what of keys and values is in blocks


def load_configs(entry: ModelRecord, engine: Engine) -> list[LoadConfig]:
    """Return all as configured that `entry` can have, the usual one first; onnxruntime has one."""
    if entry.backend == "onnx":
        return [LoadConfig(0, "f32")]
    wanted = engine.kv_types
    if entry.kind != "language":  # what such models have of it is gone after each pass
        wanted = ()
    elif not wanted and engine.flash_attention and not any(engine.offloads):
        wanted = ("q8_0/f16",)  # with which llama.cpp gives the same answers; see its backend
    heads = {"k": entry.summary.head_dim_k, "v": entry.summary.head_dim_v}
    types = [
        kind
        for kind in wanted
        if not any(heads[part] % _BLOCK for part in _IN_BLOCKS.get(kind, ""))
    ] or ["f16"]
    return [LoadConfig(layers, kind) for kind in types for layers in engine.offloads]


def context_of(entry: ModelRecord, engine: Engine) -> int:
    """Return the tokens of the longest conversation."""
    return min(engine.context, entry.summary.context_train)


def kv_bytes(entry: ModelRecord, engine: Engine, load: LoadConfig) -> int:
    """Return the bytes of what all sequences hold: keys, values, recurrent states."""
    summary, context = entry.summary, _cells(context_of(entry, engine))
    window = min(context, _cells(summary.window + engine.batch))
    whole = summary.kv_per_token - summary.window_per_token
    numbers = context * whole + window * summary.window_per_token
    held = numbers * KV_NUMBER_BYTES[load.kv_type] + summary.state_bytes
    return int(held * engine.sequences)


def mark_bytes(entry: ModelRecord, engine: Engine, load: LoadConfig) -> int:
    """Return the bytes of the marks to which sequences go back that do not keep all of a text."""
    summary, context = entry.summary, context_of(entry, engine)
    slides = 0 < summary.window < context - engine.batch
    numbers = summary.window * summary.window_per_token if slides else 0
    mark = int(numbers * KV_NUMBER_BYTES[load.kv_type] + summary.state_bytes)
    most = max(LEAST_MARKS, MARKS_BYTES // max(1, mark))
    passing = engine.sequences if summary.state_bytes else 0
    return mark * (min(most, MARKS * engine.sequences) + passing)


def _cells(tokens: int) -> int:
    """Return the cells for so many tokens, of which llama.cpp makes whole blocks."""
    return -(-tokens // _CELLS) * _CELLS


def resident_name(entry: ModelRecord) -> str:
    """Return the engine's name for `entry`: another file under the same id is another model."""
    return f"{entry.id}@{entry.sha256[:12]}"
