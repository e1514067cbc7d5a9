"""What an ONNX file says of itself that can be told without onnxruntime.

Reads the protobuf messages ModelProto, GraphProto and TensorProto as onnx.proto numbers their
fields; weights are passed over, so that a file of gigabytes takes no memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_rt.core.errors import ModelFileError
from edge_rt.core.files import open_regular
from edge_rt.models.formats.cursor import Field, Wire

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
_GRAPH, _OPSETS = 7, 8  # fields of ModelProto; 1 is ir_version
_INITIALIZER, _OUTPUT = 5, 12  # of GraphProto
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL = 1, 2, 8, 13  # of TensorProto
_MAX_NUMBERS = 1 << 50
_MAX_DIMS = 64
# What exporters call tables with a row for each position: of a rotary embedding, or learnt ones.
_POSITIONS = re.compile(r"(^|[./])cos(_cache\w*)?$|position_embeddings?\.weight")
_NUMBER = re.compile(r"[0-9]{1,19}\Z")
_FORMATS = {  # enum TensorProto.DataType
    1: "fp32",
    2: "int8",
    3: "int8",
    6: "int32",
    7: "int64",
    10: "fp16",
    11: "fp64",
    16: "bf16",
    21: "int4",
    22: "int4",
}


def tensors_beside(wire: Wire, part: Field, *, graph: bool) -> Iterator[Field]:
    """Yield the tensors in `part`, the model or its `graph`, that are none of its weights.

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


@dataclass
class OnnxFile:
    """A graph's weights and what it gives; `external` are the files that hold weights beside it."""

    numbers: dict[str, int] = field(default_factory=dict[str, int])  # by format, as stored
    external: dict[str, int] = field(default_factory=dict[str, int])  # name -> bytes needed
    output_width: int | None = None  # last extent of the first output; None: not fixed
    positions: int | None = None  # most tokens that its tables have rows for; None: none are known

    @property
    def parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(self.numbers.values())

    @property
    def quantisation(self) -> str:
        """The format of most of them."""
        return max(self.numbers, key=lambda kind: self.numbers[kind], default="none")


def read_onnx(path: Path) -> OnnxFile:
    """Return what the ONNX file at `path` says.

    ModelFileError when it is none or a file is missing.

    Every file that it names must lie in the same folder and be long enough.
    """
    try:
        with open_regular(path) as file:
            found = _read_model(Wire(file, str(path)))
        for name, size in found.external.items():
            _check_external(path, name, size)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    return found


def _check_external(path: Path, name: str, size: int) -> None:
    beside = path.parent / name
    if Path(name).name != name:
        raise ModelFileError(f"{path}: its weights lie in {name!r:.200}, not in a file beside it")
    if not beside.is_file():
        raise ModelFileError(f"{path}: {name!r:.200} with its weights is missing beside it")
    have = beside.stat().st_size
    if have < size:
        raise ModelFileError(f"{beside}: truncated: it has {have} bytes, the model needs {size}")


def _read_model(wire: Wire) -> OnnxFile:
    found, graphs, opsets = OnnxFile(), 0, 0
    for part in wire.fields():
        opsets += part.number == _OPSETS
        if part.number == _GRAPH:
            graphs += 1
            _read_graph(wire, part, found)
        _place_all(wire, tensors_beside(wire, part, graph=False), found)
    if graphs != 1 or not opsets:
        raise ModelFileError(f"{wire.name}: not an ONNX model: it has no graph or no operator set")
    return found


def _read_graph(wire: Wire, graph: Field, found: OnnxFile) -> None:
    outputs = 0
    for part in wire.fields(graph):
        if part.number == _INITIALIZER:
            _read_tensor(wire, part, found)
        elif part.number == _OUTPUT:
            outputs += 1
            if outputs == 1:
                found.output_width = _last_extent(wire, part)
        _place_all(wire, tensors_beside(wire, part, graph=True), found)


def _place_all(wire: Wire, tensors: Iterable[Field], found: OnnxFile) -> None:
    """Note the files of tensors that are no weights: a library opens those as well."""
    for tensor in tensors:
        entries = [part for part in wire.fields(tensor) if part.number == _EXTERNAL]
        _place(wire, dict(_pair(wire, entry) for entry in entries), found)


def _read_tensor(wire: Wire, tensor: Field, found: OnnxFile) -> None:
    dims, kind, title, place = list[int](), 0, "", dict[str, str]()
    for part in wire.fields(tensor):
        if part.number == _DIMS:
            dims += wire.integers(part)
            if len(dims) > _MAX_DIMS or math.prod(dims) > _MAX_NUMBERS:
                raise wire.fault("a tensor of more numbers than any file holds")
        elif part.number == _DATA_TYPE:
            kind = part.value
        elif part.number == _NAME:
            title = wire.text(part)
        elif part.number == _EXTERNAL:
            key, value = _pair(wire, part)
            place[key] = value
    name = _FORMATS.get(kind, "other")
    found.numbers[name] = found.numbers.get(name, 0) + math.prod(dims)
    if len(dims) == 2 and dims[0] and _POSITIONS.search(title):
        found.positions = max(dims[0], found.positions or 0)
    _place(wire, place, found)


def _pair(wire: Wire, entry: Field) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    texts = {each.number: wire.text(each) for each in wire.fields(entry)}
    return texts.get(1, ""), texts.get(2, "")


def _place(wire: Wire, place: Mapping[str, str], found: OnnxFile) -> None:
    """Note the file that a tensor's `place` names, if any, and up to where it is needed."""
    if "location" in place:
        offset, length = place.get("offset", "0"), place.get("length", "0")
        if not (_NUMBER.match(offset) and _NUMBER.match(length)):
            raise wire.fault(f"weights at {offset!r:.40}, {length!r:.40} bytes of them")
        end = int(offset) + int(length)
        found.external[place["location"]] = max(end, found.external.get(place["location"], 0))


def _last_extent(wire: Wire, output: Field) -> int | None:
    """ValueInfoProto.type (2) .tensor_type (1) .shape (2) .dim (1), the last, .dim_value (1)."""
    at = [output]
    for number in (2, 1, 2, 1):
        at = [part for each in at for part in wire.fields(each) if part.number == number]
    values = [part.value for part in wire.fields(at[-1]) if part.number == 1] if at else []
    return values[-1] if values else None
