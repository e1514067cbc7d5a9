"""The tensor table of a GGUF header: that every tensor lies where it must, within the file."""

from __future__ import annotations

from edge_rt.models.formats.cursor import Cursor
from edge_rt.models.formats.metadata import U32
from edge_rt.models.formats.tensor_types import TENSOR_TYPES, TensorType

_MAX_NAME = 255  # bytes of a tensor's name
_MAX_DIMENSIONS = 4


def read_tensors(cursor: Cursor, count: int, alignment: int, size: int) -> dict[str, int]:
    """Check `count` tensors of a file of `size` bytes; returns the numbers stored, by type."""
    elements: dict[str, int] = {}
    names: set[str] = set()
    ends: list[tuple[str, int]] = []  # of the data, counted from their start
    data = 0
    for _ in range(count):
        start, name = cursor.offset, cursor.text(_MAX_NAME)
        if name in names:
            raise cursor.fault(f"duplicate tensor {name!r:.80}", start)
        names.add(name)
        kind, numbers, length = _read_shape(cursor, name)
        offset = cursor.u64()
        if offset != data:
            raise cursor.fault(f"tensor {name!r:.80} lies at {offset}, expected {data}", start)
        elements[kind.name] = elements.get(kind.name, 0) + numbers
        ends.append((name, data + length))
        data = _padded(data + length, alignment)
    _check_ends(cursor, _padded(cursor.offset, alignment), ends, size)
    return elements


def _read_shape(cursor: Cursor, name: str) -> tuple[TensorType, int, int]:
    """A tensor's type, how many numbers it has and how many bytes they take."""
    dimensions = int(cursor.number(U32))
    if dimensions > _MAX_DIMENSIONS:
        raise cursor.fault(f"tensor {name!r:.80} has {dimensions} dimensions, at most 4 make sense")
    shape = [cursor.u64() for _ in range(dimensions)]
    number = int(cursor.number(U32))
    kind = TENSOR_TYPES.get(number)
    if kind is None:
        raise cursor.fault(f"tensor {name!r:.80} has the unknown type {number}")
    if 0 in shape:
        raise cursor.fault(f"tensor {name!r:.80} holds no numbers")
    row = shape[0] if shape else 1
    if row % kind.elements:
        raise cursor.fault(f"tensor {name!r:.80} has rows of {row}, not whole {kind.name} blocks")
    numbers = 1
    for extent in shape:
        numbers *= extent
    return kind, numbers, numbers // kind.elements * kind.size


def _check_ends(cursor: Cursor, start: int, ends: list[tuple[str, int]], size: int) -> None:
    if not ends:
        raise cursor.fault("no tensors: this file has no weights")
    for name, end in ends:
        if start + end > size:
            needed = start + ends[-1][1]
            what = f"truncated: tensor {name!r:.80} ends at byte {start + end}, the file at {size}"
            raise cursor.fault(f"{what}; the whole file would have {needed} bytes", size)


def _padded(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) // alignment * alignment
