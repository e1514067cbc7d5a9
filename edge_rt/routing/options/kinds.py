"""What a model can be asked for, by its kind."""

from __future__ import annotations

from collections.abc import Iterable

from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.models.formats.summary import Kind
from edge_rt.models.record import ModelRecord

_IS = {
    "language": "a language model; POST /v1/chat/completions has it write",
    "embedding": "an embedding model; POST /v1/embeddings has it place texts",
    "tensors": "a model of named tensors; POST /edge/v1/infer runs it",
}
_CANNOT = {
    "language": "writes no text",
    "embedding": "gives no embeddings",
    "tensors": "runs on no tensors of yours",
}
_COULD = {
    "language": "writes: edge-rt models pull",
    "embedding": "gives embeddings: edge-rt models pull all-minilm-l6-v2",
    "tensors": "runs on tensors: edge-rt models add FILE.onnx",
}


def writer(entry: ModelRecord) -> ModelRecord:
    """`entry` if it can write text; raises RequestError, which says what it can do."""
    return of_kind(entry, "language")


def of_kind(entry: ModelRecord, kind: Kind) -> ModelRecord:
    """`entry` if it is a model of that kind; raises RequestError, which says what it can do."""
    if entry.kind == kind:
        return entry
    message = f"{entry.id} {_CANNOT[kind]}: it is {_IS[entry.kind]}"
    raise RequestError(message, param="model", code="unsupported")


def only(entries: Iterable[ModelRecord], kind: Kind) -> ModelRecord:
    """The model of that kind that came first; raises ModelNotFound."""
    able = [entry for entry in entries if entry.kind == kind]
    if not able:
        raise ModelNotFound(f"the store holds no model that {_COULD[kind]}")
    return min(able, key=lambda entry: entry.created)


def writers(entries: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Those that can write text."""
    return [entry for entry in entries if entry.kind == "language"]
