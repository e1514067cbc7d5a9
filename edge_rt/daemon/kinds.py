"""What a model can be asked for, by its kind."""

from __future__ import annotations

from collections.abc import Iterable

from edge_rt.errors import RequestError
from edge_rt.models.entry import Entry

_INSTEAD = {
    "embedding": "an embedding model; POST /v1/embeddings has it place texts",
    "tensors": "a model of named tensors; POST /edge/v1/infer runs it",
}


def writer(entry: Entry) -> Entry:
    """`entry` if it can write text; raises RequestError, which says what it can do."""
    if entry.kind == "language":
        return entry
    message = f"{entry.id} writes no text: it is {_INSTEAD[entry.kind]}"
    raise RequestError(message, param="model", code="unsupported")


def writers(entries: Iterable[Entry]) -> list[Entry]:
    """Those that can write text."""
    return [entry for entry in entries if entry.kind == "language"]
