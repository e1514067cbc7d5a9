"""The ways in which a model may be loaded, and what the engine is asked to load."""

from __future__ import annotations

from pathlib import Path

from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig
from edge_rt.engine.model_pool import LoadRequest
from edge_rt.engine.protocol import ModelOrigin, ModelSpec
from edge_rt.models.formats.summary import Summary
from edge_rt.models.record import ModelRecord

KV_NUMBER_BYTES = {"q4_0": 0.5625, "q8_0": 1.0625, "q8_0/f16": 1.53125, "f16": 2.0, "f32": 4.0}
"""Bytes of a number in the KV, keys and values together, by the type of both."""

_BLOCK = 32  # numbers of a head, of which those types take whole blocks
_IN_BLOCKS = {"q4_0": "kv", "q8_0": "kv", "q8_0/f16": "k"}  # what of keys and values is in blocks


def load_configs(entry: ModelRecord, engine: Engine) -> list[LoadConfig]:
    """All as configured that `entry` can have, the usual one first; onnxruntime knows just one."""
    if entry.backend == "onnx":
        return [LoadConfig(0, "f32")]
    wanted = engine.kv_types or _usual(engine)
    if entry.kind != "language":  # what such models have of it is gone after each pass
        wanted = ()
    types = [kind for kind in wanted if _fits(kind, entry.summary)] or ["f16"]
    return [LoadConfig(layers, kind) for kind in types for layers in engine.offloads]


def load_config_of(spec: ModelSpec) -> LoadConfig:
    """Return how a model was loaded."""
    return LoadConfig(spec.gpu_layers, spec.kv_type)


def kv_bytes(entry: ModelRecord, engine: Engine, load: LoadConfig) -> int:
    """What keys and values of all sequences take."""
    summary = entry.summary
    cells = min(engine.context, summary.context_train) * engine.sequences
    return int(cells * summary.kv_per_token * KV_NUMBER_BYTES[load.kv_type])


def _usual(engine: Engine) -> tuple[str, ...]:
    """What llama.cpp gives the same answers with, where it can; see its backend."""
    return ("q8_0/f16",) if engine.flash_attention and not any(engine.offloads) else ()


def _fits(kv_type: str, summary: Summary) -> bool:
    heads = {"k": summary.head_dim_k, "v": summary.head_dim_v}
    return not any(heads[kind] % _BLOCK for kind in _IN_BLOCKS.get(kv_type, ""))


FIXED_BYTES = 64 * 1024 * 1024  # the library's own buffers, whatever the model
ACTIVATIONS = 16  # float32 vectors of the embedding's width alive at once, a token of a batch
DRAFT_ROWS = 16  # tokens of drafts that one pass may read, over all sequences
_ON_GPU = ("cuda", "tensorrt")  # how the names of onnxruntime's providers begin
UNPACKED = 3  # times their size take 8-bit weights of small ONNX models, which become float32


def resident_name(entry: ModelRecord) -> str:
    """The engine's name for `entry`: another file under the same id is another model."""
    return f"{entry.id}@{entry.sha256[:12]}"


def wanted(
    entry: ModelRecord, path: Path, engine: Engine, load: LoadConfig | None = None
) -> LoadRequest:
    """Return `entry` as configured, in that form, None: the usual one, with an upper bound of its
    memory.
    """
    load = load or load_configs(entry, engine)[0]
    context = min(engine.context, entry.summary.context_train)
    spec = ModelSpec(
        backend=entry.backend,
        path=str(path),
        context=context,
        sequences=engine.sequences,
        batch=engine.batch,
        prefill_chunk=engine.prefill_chunk,
        gpu_layers=load.gpu_layers,
        flash_attention=engine.flash_attention,
        kind=entry.kind,
        pooling=entry.summary.pooling or "mean",
        normalise=entry.summary.normalise,
        providers=entry.providers,
        outputs=engine.sequences + DRAFT_ROWS if entry.kind == "language" else 0,
        origin=ModelOrigin(entry.id, entry.sha256),
        kv_type=load.kv_type,
        gpu_share=_gpu_share(entry, load),
    )
    need = _weight_bytes(entry) + kv_bytes(entry, engine, load) + _working_bytes(entry, spec)
    mapped = entry.size if entry.backend == "llama.cpp" else 0  # onnxruntime packs weights anew
    return LoadRequest(resident_name(entry), spec, need, mapped, _gpu_bytes(entry, engine, load))


def _weight_bytes(entry: ModelRecord) -> int:
    unpacked = entry.backend == "onnx" and entry.kind != "language"
    return entry.size * (UNPACKED if unpacked else 1)


def _gpu_share(entry: ModelRecord, load: LoadConfig) -> float:
    """Return the share of layers on a GPU; 1 if a provider of onnxruntime computes there."""
    if any(provider.lower().startswith(_ON_GPU) for provider in entry.providers):
        return 1.0
    return min(1.0, load.gpu_layers / max(1, entry.summary.layers))


def _gpu_bytes(entry: ModelRecord, engine: Engine, load: LoadConfig) -> int:
    """Return what its layers on a GPU take there with their KV, as if all layers were alike.

    They count as if in the board's memory, too: where there is but one, they are.
    """
    layers = max(1, entry.summary.layers)
    there = min(load.gpu_layers, layers)
    return (_weight_bytes(entry) + kv_bytes(entry, engine, load)) * there // layers


def _working_bytes(entry: ModelRecord, spec: ModelSpec) -> int:
    logits = max(spec.sequences, spec.outputs) * entry.summary.vocab * 4
    activations = spec.batch * entry.summary.embedding * 4 * ACTIVATIONS
    return logits + activations + _scores(entry, spec) + FIXED_BYTES


def _scores(entry: ModelRecord, spec: ModelSpec) -> int:
    """How much a pass attends to what: llama.cpp never holds all of it, onnxruntime does."""
    if entry.backend == "llama.cpp":
        return 0
    return spec.batch * entry.summary.heads * spec.context * 4
