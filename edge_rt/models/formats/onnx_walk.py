"""Every tensor of an ONNX file, wherever it is: also in nodes, in graphs of theirs, in functions.

Messages and the numbers of their fields are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.models.formats.protobuf import Field, Wire

_DEEPEST = 64  # messages within messages; protobuf's own readers stop at 100
_TENSOR = "tensor"
_INSIDE: dict[str, dict[int, str]] = {
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: _TENSOR, 6: "graph", 10: _TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: _TENSOR, 2: _TENSOR},
}
_OF_MODEL = {20: "training", 25: "function"}  # beside the graph
_OF_GRAPH = {1: "node", 15: "sparse"}  # beside the weights


def tensors_beside(wire: Wire, part: Field, *, graph: bool) -> Iterator[Field]:
    """The tensors in `part`, a field of the model or of its `graph`, that are none of its weights.

    Raises ModelFileError for messages that lie too deep in one another.
    """
    kind = (_OF_GRAPH if graph else _OF_MODEL).get(part.number)
    if kind is not None:
        yield from _within(wire, part, kind, _DEEPEST)


def _within(wire: Wire, message: Field, kind: str, deeper: int) -> Iterator[Field]:
    if not deeper:
        raise wire.fault(f"messages more than {_DEEPEST} deep in one another")
    for part in wire.fields(message):
        inside = _INSIDE[kind].get(part.number)
        if inside == _TENSOR:
            yield part
        elif inside is not None:
            yield from _within(wire, part, inside, deeper - 1)
