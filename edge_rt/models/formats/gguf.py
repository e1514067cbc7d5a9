"""A reader for the header of GGUF files, versions 2 and 3, little-endian.

Only the header is read, never the weights; its figures are checked against the file's size.
The rules are those of the reference implementation (ggml's gguf.cpp): keys and tensor names are
unique, lists do not nest, tensor data are in order without gaps but the alignment's padding.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from edge_rt.core.errors import ModelFileError
from edge_rt.core.files import open_regular
from edge_rt.core.images import CHANNELS
from edge_rt.models.formats.cursor import Cursor
from edge_rt.models.formats.metadata import COLOURS, U32, Metadata, Value

FILE_TYPES: dict[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}
"""What `general.file_type` says about the mix of formats in a file."""

_PARTS = "split.count"  # the files of a model in several; its tensors lie in any of them
_MAX_NAME = 255  # bytes of a tensor's name
_MAX_DIMENSIONS = 4
_EXPERTS = "_exps."  # in the name of a tensor that holds those of a layer, one behind the other
MAX_COUNT = 65_536  # metadata entries, and tensors


class TensorType(NamedTuple):
    """A number format: blocks of `elements` numbers that take `size` bytes each."""

    name: str
    elements: int
    size: int


TENSOR_TYPES: dict[int, TensorType] = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    2: TensorType("Q4_0", 32, 18),
    3: TensorType("Q4_1", 32, 20),
    6: TensorType("Q5_0", 32, 22),
    7: TensorType("Q5_1", 32, 24),
    8: TensorType("Q8_0", 32, 34),
    9: TensorType("Q8_1", 32, 36),
    10: TensorType("Q2_K", 256, 84),
    11: TensorType("Q3_K", 256, 110),
    12: TensorType("Q4_K", 256, 144),
    13: TensorType("Q5_K", 256, 176),
    14: TensorType("Q6_K", 256, 210),
    15: TensorType("Q8_K", 256, 292),
    16: TensorType("IQ2_XXS", 256, 66),
    17: TensorType("IQ2_XS", 256, 74),
    18: TensorType("IQ3_XXS", 256, 98),
    19: TensorType("IQ1_S", 256, 50),
    20: TensorType("IQ4_NL", 32, 18),
    21: TensorType("IQ3_S", 256, 110),
    22: TensorType("IQ2_S", 256, 82),
    23: TensorType("IQ4_XS", 256, 136),
    24: TensorType("I8", 1, 1),
    25: TensorType("I16", 1, 2),
    26: TensorType("I32", 1, 4),
    27: TensorType("I64", 1, 8),
    28: TensorType("F64", 1, 8),
    29: TensorType("IQ1_M", 256, 56),
    30: TensorType("BF16", 1, 2),
    34: TensorType("TQ1_0", 256, 54),
    35: TensorType("TQ2_0", 256, 66),
    39: TensorType("MXFP4", 32, 17),
    40: TensorType("NVFP4", 64, 36),
    41: TensorType("Q1_0", 128, 18),
    42: TensorType("Q2_0", 64, 18),
}
"""Formats 4, 5, 31 to 33 and 36 to 38 were withdrawn from GGUF."""


def read_tensors(
    cursor: Cursor, count: int, alignment: int, size: int, *, part: bool = False
) -> tuple[dict[str, int], int, int]:
    """Check `count` tensors of a file of `size` bytes; a `part` of a model may have none.

    Returns the numbers stored, by type, and the numbers and bytes of experts.
    """
    elements: dict[str, int] = {}
    experts = expert_bytes = 0
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
        if _EXPERTS in name:
            experts, expert_bytes = experts + numbers, expert_bytes + length
        ends.append((name, data + length))
        data = _padded(data + length, alignment)
    if not ends and not part:
        raise cursor.fault("no tensors: this file has no weights")
    data_start = _padded(cursor.offset, alignment)
    for name, end in ends:
        if data_start + end > size:
            what = f"truncated: tensor {name!r:.80} ends at byte {data_start + end}"
            needed = f"the whole file would have {data_start + ends[-1][1]} bytes"
            raise cursor.fault(f"{what}, the file at {size}; {needed}", size)
    return elements, experts, expert_bytes


def _read_shape(cursor: Cursor, name: str) -> tuple[TensorType, int, int]:
    """Return a tensor's type, how many numbers it has and how many bytes they take."""
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


def _padded(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) // alignment * alignment


@dataclass(frozen=True)
class Header:
    """What a GGUF header says, without its vocabulary and the other long lists."""

    path: Path
    file_bytes: int
    values: dict[str, Value]  # numbers, short lists of integers and the texts worth keeping
    vocab: int  # tokens in the vocabulary
    bos_token: str | None
    eos_token: str | None
    control_tokens: tuple[str, ...]  # as the vocabulary writes them
    longest_token: int | None  # most bytes of one; None: there is no vocabulary
    elements: dict[str, int]  # tensor type name -> numbers stored that way
    experts: int  # of these, those of experts
    expert_bytes: int


def read_header(path: Path, others: Sequence[Path] = ()) -> Header:
    """Return the header of the GGUF file at `path`, checked; raises ModelFileError.

    `others` are the further parts of a model in several files, whose first one has all metadata.
    """
    with _opened(path) as (cursor, size):
        found = _read(cursor, path, size)
    count = found.values.get(_PARTS, 1)
    if count not in (0, 1 + len(others)):
        raise ModelFileError(f"{path}: one of {count} parts, of which {1 + len(others)} are there")
    for other in others:
        with _opened(other) as (cursor, size):
            more = _read(cursor, other, size)
        elements = Counter(found.elements) + Counter(more.elements)
        found = replace(
            found,
            file_bytes=found.file_bytes + more.file_bytes,
            elements=dict(elements),
            experts=found.experts + more.experts,
            expert_bytes=found.expert_bytes + more.expert_bytes,
        )
    if not found.elements:
        raise ModelFileError(f"{path}: no tensors: this file has no weights")
    return found


def read_projector(path: Path) -> dict[str, Value]:
    """Return the values of a projector's header, which has the lists that llama.cpp needs.

    It ends its process where they are missing. Raises ModelFileError.
    """
    with _opened(path) as (cursor, size):
        tensors, metadata = _entries(cursor)
        read_tensors(cursor, tensors, metadata.alignment(cursor), size)
        if metadata.values.get("clip.has_vision_encoder") is not True:
            raise cursor.fault("no projector of images: name the file that begins with mmproj")
        metadata.check(cursor)
        for key in COLOURS:
            if metadata.length(key) < CHANNELS:
                raise cursor.fault(f"{key!r} has no {CHANNELS} numbers")
        return metadata.values


def refuse_twins(path: Path) -> None:
    """Raise ModelFileError where two tokens are the same, for which llama.cpp ends its process.

    Reads the whole vocabulary, which takes some tenths of a second.
    """
    with _opened(path) as (cursor, _):
        _, metadata = _entries(cursor)
        metadata.refuse_twins(cursor)


@contextmanager
def _opened(path: Path) -> Generator[tuple[Cursor, int]]:
    """Give a cursor at the begin of the file, and the file's size; raises ModelFileError."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            yield Cursor(file, size, str(path)), size
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def _entries(cursor: Cursor) -> tuple[int, Metadata]:
    """Return how many tensors there are, and what the entries say."""
    _check_version(cursor)
    tensors, entries = _count(cursor, "tensors"), _count(cursor, "metadata entries")
    metadata = Metadata()
    for _ in range(entries):
        metadata.read(cursor)
    return tensors, metadata


def _read(cursor: Cursor, path: Path, size: int) -> Header:
    tensors, metadata = _entries(cursor)
    metadata.check(cursor)
    alignment = metadata.alignment(cursor)
    part = _PARTS in metadata.values
    elements, experts, expert_bytes = read_tensors(cursor, tensors, alignment, size, part=part)
    return Header(
        path=path,
        file_bytes=size,
        elements=elements,
        experts=experts,
        expert_bytes=expert_bytes,
        values=metadata.values,
        vocab=metadata.vocab,
        bos_token=metadata.token(cursor, "tokenizer.ggml.bos_token_id"),
        eos_token=metadata.token(cursor, "tokenizer.ggml.eos_token_id"),
        control_tokens=tuple(metadata.control_tokens(cursor)),
        longest_token=metadata.longest_token or None,
    )


def _check_version(cursor: Cursor) -> None:
    magic = cursor.raw(4)
    if magic != b"GGUF":
        raise cursor.fault(f"not a GGUF file: it begins with {magic!r}", 0)
    version = int(cursor.number(U32))
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        hint = "; it is big-endian" if swapped in (2, 3) else ""
        raise cursor.fault(f"GGUF version {version}, but 2 and 3 can be read{hint}", 4)


def _count(cursor: Cursor, what: str) -> int:
    count = cursor.u64()
    if count > MAX_COUNT:
        raise cursor.fault(f"{count} {what}, but at most {MAX_COUNT} make sense", cursor.offset - 8)
    return count
