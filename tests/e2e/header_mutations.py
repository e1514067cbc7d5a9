"""GGUF headers that are wrong in every way that hypothesis thinks of, most of them a little."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of value types
TEXT, LIST = 8, 9
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), 12: (256, 144), 24: (1, 1), 28: (1, 8)}
EDGES = (0, 1, 2, 31, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
FLOATS = (0.0, -1.0, 1e-30, 1e38, float("inf"), float("nan"))
FURTHER = (  # keys that the files lack, below their architecture
    "embedding_length_out",
    "vocab_size",
    "rope.dimension_count",
    "rope.scaling.factor",
    "expert_count",
    "expert_used_count",
    "expert_group_count",
    "attention.sliding_window",
    "attention.key_length_mla",
    "attention.causal",
    "attention.layer_norm_epsilon",
    "attention.clamp_kqv",
    "logit_scale",
    "pooling_type",
    "attention.scale",
    "tensor_data_layout",
    "leading_dense_block_count",
    "use_parallel_residual",
)


@dataclass(frozen=True)
class Entry:
    """A key, the number of its value's type, and the value as it stands in the file."""

    key: bytes
    kind: int
    value: bytes


@dataclass(frozen=True)
class Tensor:
    """A row of the tensor table; `offset` None: where it belongs."""

    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int | None = None


@dataclass(frozen=True)
class File:
    """The parts of a GGUF file; its numbers are all alike."""

    entries: tuple[Entry, ...]
    tensors: tuple[Tensor, ...]
    start: bytes = b"GGUF\x03\0\0\0"
    counts: tuple[int, int] = (0, 0)  # by how much those of tensors and entries are wrong
    alignment: int = 32

    def header(self) -> bytes:
        parts = [self.start, u64(len(self.tensors) + self.counts[0])]
        parts.append(u64(len(self.entries) + self.counts[1]))
        parts += [text(e.key) + struct.pack("<I", e.kind) + e.value for e in self.entries]
        data = 0
        for tensor in self.tensors:
            offset = data if tensor.offset is None else tensor.offset
            parts += [text(tensor.name), struct.pack("<I", len(tensor.shape))]
            parts += [*map(u64, tensor.shape), struct.pack("<IQ", tensor.kind, offset % 2**64)]
            data += self._padded(size_of(tensor))
        return b"".join(parts)

    def encode(self) -> bytes:
        header = self.header()
        data = sum(self._padded(size_of(tensor)) for tensor in self.tensors)
        padding = self._padded(len(header)) - len(header)
        return header + bytes(padding) + b"\x3c" * min(data, 1 << 20)

    def _padded(self, size: int) -> int:
        return -(-size // self.alignment) * self.alignment


def u64(value: int) -> bytes:
    return struct.pack("<Q", value % 2**64)


def text(value: bytes) -> bytes:
    return u64(len(value)) + value


def size_of(tensor: Tensor) -> int:
    """Bytes of its data; 0 for what has no size."""
    elements, size = BLOCKS.get(tensor.kind, (1, 0))
    numbers = 1
    for extent in tensor.shape:
        numbers *= extent
    return numbers // elements * size


def parse(raw: bytes) -> File:
    """The parts of a valid file."""
    reader = _Reader(raw, 8)
    tensors, entries = reader.number("<Q"), reader.number("<Q")
    found = []
    for _ in range(entries):
        key, kind = reader.text(), reader.number("<I")
        begin = reader.at
        reader.skip(kind)
        found.append(Entry(key, kind, raw[begin : reader.at]))
    rows = []
    for _ in range(tensors):
        name, dimensions = reader.text(), reader.number("<I")
        shape = tuple(reader.number("<Q") for _ in range(dimensions))
        rows.append(Tensor(name, shape, reader.number("<I")))
        reader.number("<Q")
    return File(tuple(found), tuple(rows))


@dataclass
class _Reader:
    raw: bytes
    at: int

    def number(self, layout: str) -> int:
        (value,) = struct.unpack_from(layout, self.raw, self.at)
        self.at += struct.calcsize(layout)
        return value

    def text(self) -> bytes:
        length = self.number("<Q")
        self.at += length
        return self.raw[self.at - length : self.at]

    def skip(self, kind: int) -> None:
        if kind == TEXT:
            self.text()
        elif kind == LIST:
            inner, length = self.number("<I"), self.number("<Q")
            for _ in range(length):
                self.skip(inner)
        else:
            self.at += SIZES[kind]


# --- what may go wrong


_numbers = st.one_of(st.sampled_from(EDGES), st.integers(0, 2**64 - 1), st.integers(0, 300))


@st.composite
def _scalars(draw: Any, kind: int) -> bytes:
    if kind in (6, 12):
        return struct.pack("<f" if kind == 6 else "<d", draw(st.sampled_from(FLOATS)))
    return u64(draw(_numbers))[: SIZES[kind]]


_texts = st.one_of(st.binary(max_size=12), st.sampled_from([b"llama", b"bert", b"gpt2", b"x" * 99]))


@st.composite
def _values(draw: Any) -> tuple[int, bytes]:
    """A value of any type; of a list the length may be a lie, and the type one that is none."""
    kind = draw(st.sampled_from([*SIZES, TEXT, LIST, 13]))
    if kind == TEXT:
        return kind, text(draw(_texts))
    if kind != LIST:
        return kind, draw(_scalars(kind)) if kind in SIZES else b"\0" * 8
    inner = draw(st.sampled_from([*SIZES, TEXT, LIST]))
    count = draw(st.integers(0, 5))
    items = [draw(_scalars(inner)) if inner in SIZES else text(draw(_texts)) for _ in range(count)]
    told = draw(st.one_of(st.just(count), _numbers))
    return kind, struct.pack("<I", inner) + u64(told) + b"".join(items)


def _put(items: tuple[Any, ...], at: int, *new: Any) -> tuple[Any, ...]:
    return (*items[:at], *new, *items[at + 1 :])


@st.composite
def _with_entry(draw: Any, file: File) -> File:
    """Another value, key or number of a key's values; a key twice, or not at all, or one more."""
    at = draw(st.integers(0, len(file.entries) - 1))
    entry = file.entries[at]
    new: tuple[Entry, ...]
    match draw(st.sampled_from(["value", "number", "shorter", "key", "gone", "twice", "more"])):
        case "more":
            further = f"llama.{draw(st.sampled_from(FURTHER))}".encode()
            kind = draw(st.sampled_from([4, 6, 7]))
            new = (entry, Entry(further, kind, draw(_scalars(kind))))
        case "value":
            kind, value = draw(_values())
            new = (Entry(entry.key, kind, value),)
        case "number" if entry.kind in SIZES:
            new = (replace(entry, value=draw(_scalars(entry.kind))),)
        case "shorter" if entry.kind == LIST:
            new = (_shorter(entry, draw(st.integers(0, 8))),)
        case "key":
            other = draw(st.sampled_from(file.entries)).key
            new = (replace(entry, key=draw(st.one_of(st.just(other), _texts))),)
        case "twice":
            new = (entry, entry)
        case _:
            new = ()
    return replace(file, entries=_put(file.entries, at, *new))


def _shorter(entry: Entry, less: int) -> Entry:
    """A list that lacks its last items, and says so."""
    reader = _Reader(entry.value, 0)
    inner, length = reader.number("<I"), reader.number("<Q")
    kept = max(0, length - less)
    for _ in range(kept):
        reader.skip(inner)
    begin = struct.pack("<IQ", inner, kept)
    return replace(entry, value=begin + entry.value[len(begin) : reader.at])


@st.composite
def _with_tensor(draw: Any, file: File) -> File:
    """Another shape, type, place or name of a tensor; or one twice, or not at all."""
    at = draw(st.integers(0, len(file.tensors) - 1))
    tensor = file.tensors[at]
    new: tuple[Tensor, ...]
    match draw(st.sampled_from(["shape", "turned", "kind", "offset", "name", "gone", "twice"])):
        case "shape":
            axis = draw(st.integers(0, len(tensor.shape) - 1))
            new = (replace(tensor, shape=_put(tensor.shape, axis, draw(_numbers))),)
        case "turned":
            ones = draw(st.integers(0, 5))
            new = (replace(tensor, shape=(*tensor.shape[::-1], *(1,) * ones)),)
        case "kind":
            kinds = st.one_of(st.sampled_from(list(BLOCKS)), st.integers(0, 50))
            new = (replace(tensor, kind=draw(kinds)),)
        case "offset":
            new = (replace(tensor, offset=draw(_numbers)),)
        case "name":
            other = draw(st.sampled_from(file.tensors)).name
            new = (replace(tensor, name=draw(st.one_of(st.just(other), _texts))),)
        case "twice":
            new = (tensor, tensor)
        case _:
            new = ()
    return replace(file, tensors=_put(file.tensors, at, *new))


@st.composite
def _with_start(draw: Any, file: File) -> File:
    """Another version, other counts, or another alignment that the data keep to."""
    match draw(st.sampled_from(["start", "counts", "alignment"])):
        case "start":
            return replace(file, start=b"GGUF" + draw(st.binary(min_size=4, max_size=4)))
        case "counts":
            wrong = st.one_of(st.integers(-2, 2), _numbers)
            return replace(file, counts=(draw(wrong), draw(wrong)))
        case _:
            alignment = draw(st.sampled_from([1, 8, 64, 4096]))
            entry = Entry(b"general.alignment", 4, struct.pack("<I", alignment))
            return replace(file, entries=(*file.entries, entry), alignment=alignment)


class Mutant(bytes):
    """A file of which nobody wants to see all bytes."""

    def __repr__(self) -> str:
        return f"<a file of {len(self)} bytes>"


@st.composite
def mutations(draw: Any, files: tuple[File, ...]) -> Mutant:
    """One of the `files` with a change or a few, of its parts or of its bytes."""
    file = draw(st.sampled_from(files))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        changes = [_with_entry, _with_entry, _with_entry, _with_tensor, _with_start]
        change = draw(st.sampled_from(changes))
        if file.entries and file.tensors:
            file = draw(change(file))
    raw = bytearray(file.encode())
    end = len(file.header())
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, max(0, end - 8)))
        new = draw(st.one_of(_numbers.map(u64), st.binary(max_size=8)))
        raw[at : at + len(new)] = new
    if draw(st.integers(0, 19)) == 0:
        del raw[draw(st.integers(0, len(raw))) :]
    return Mutant(raw)
