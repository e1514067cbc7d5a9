"""Checks of what a request asks of a model: its kind, and the decoding mode with its settings."""

from __future__ import annotations

from collections.abc import Iterable

from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.routing import DecodingRequest
from edge_rt.decoding.params import GATES, gates
from edge_rt.models.formats.summary import Kind
from edge_rt.models.pair import LOOKUP, LOSSLESS, SINGLE, SWITCH, is_mode, misfit
from edge_rt.models.record import ModelRecord


def check_mode(request: DecodingRequest) -> None:
    """Raise RequestError for a mode that there is not, or with what does not go with it."""
    name = request.name
    if name is None:
        return
    if name == SWITCH:
        check_settings(f"{SWITCH}:{GATES[0]}", request)
        return
    if not is_mode(name):
        raise refused("mode", _unknown(name))
    if name in (SINGLE, LOOKUP) and request.partner is not None:
        raise refused("partner", f"the mode {name} takes none: leave it out, or choose another")
    check_settings(name, request)


def check_settings(mode: str, request: DecodingRequest) -> None:
    """Raise RequestError where what is set besides does not go with `mode`."""
    first = 0 if request.first is None else request.first
    wrong = misfit(mode, request.large_share, request.threshold, first)
    if wrong is not None:
        raise refused(*wrong)


def refused(field: str, reason: str) -> RequestError:
    """Return the error that a field of `edge` has a wrong value."""
    return RequestError(f"`edge.{field}`: {reason}", param=f"edge.{field}", code="invalid_value")


def _unknown(name: str) -> str:
    kind, colon, gate = name.partition(":")
    if kind == SWITCH and colon:
        return f"there is no gate {gate!r:.80}; there are {', '.join(gates())}"
    known = ", ".join((*LOSSLESS, SWITCH, f"{SWITCH}:GATE"))
    return f"there is no mode {name!r:.80}; there are {known}"


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
    """Return the models that can write text."""
    return [entry for entry in entries if entry.kind == "language"]
