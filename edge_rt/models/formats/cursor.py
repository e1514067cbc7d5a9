"""Reading files step by step, protobuf among them, trusting no number that they hold."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from edge_rt.core.errors import ModelFileError

MAX_HEADER = 128 * 1024 * 1024  # bytes; the largest vocabularies need about 20 MiB
MAX_TEXT = 1024 * 1024  # bytes of one text that is kept; chat templates stay below 64 KiB
STRIDE = 256  # every so many texts of a list are found again without counting from its start
_CHUNK = 256 * 1024
_U64 = struct.Struct("<Q")
_MAX_FIELDS = 4_000_000  # in one file; graphs have some ten thousands of nodes
_MAX_TEXT = 64 * 1024  # bytes of a text or of packed integers that are looked at
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Cursor:
    """A position in an open file of `size` bytes that moves forward through its header.

    Plain reads, no memory map: a file that shrinks meanwhile is an error here, not a SIGBUS.
    Memory stays below two chunks and one text. Every fault is a ModelFileError that names the
    file and the byte.
    """

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._size = size
        self._name = name
        self._data = b""
        self._base = 0  # where in the file _data begins
        self._at = 0  # the position within _data

    @property
    def offset(self) -> int:
        """The position in the file, in bytes."""
        return self._base + self._at

    def fault(self, what: str, at: int | None = None) -> ModelFileError:
        """Return an error about the bytes at the position, or at `at`."""
        return ModelFileError(f"{self._name}: {what} (byte {self.offset if at is None else at})")

    def number(self, layout: struct.Struct) -> int | float:
        """Return the next number of that `layout`."""
        self._require(layout.size)
        (value,) = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return value

    def u64(self) -> int:
        """Return the next unsigned 64-bit integer."""
        self._require(8)
        (value,) = _U64.unpack_from(self._data, self._at)
        self._at += 8
        return value

    def raw(self, count: int) -> bytes:
        """Return the next `count` bytes; for counts that are known to be small."""
        self._require(count)
        self._at += count
        return self._data[self._at - count : self._at]

    def text(self, limit: int = MAX_TEXT) -> str:
        """Return the next length-prefixed UTF-8 text of at most `limit` bytes."""
        start, length = self.offset, self.u64()
        if length > limit:
            raise self.fault(f"a text of {length} bytes where at most {limit} make sense", start)
        try:
            return self.raw(length).decode()
        except UnicodeDecodeError:
            raise self.fault("a text that is not UTF-8", start) from None

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        self.seek(self.offset + count)

    def seek(self, offset: int) -> None:
        """Go to `offset`, which must lie within the file and the header's limit."""
        self._check(offset)
        if self._base <= offset <= self._base + len(self._data):
            self._at = offset - self._base
        else:
            self._file.seek(offset)
            self._data, self._base, self._at = b"", offset, 0

    def skip_texts(self, count: int) -> tuple[list[int], int]:
        """Pass over `count` texts.

        Returns where every STRIDE-th of them begins, and the bytes of the longest.
        """
        if count * 8 > self._size - self.offset:
            raise self.fault(f"truncated: a list of {count} texts does not fit into the file")
        marks, longest = list[int](), 0
        for first in range(0, count, STRIDE):
            marks.append(self.offset)
            longest = max(longest, self._skip_texts(min(STRIDE, count - first)))
        return marks, longest

    def text_of(self, marks: list[int], index: int) -> str:
        """Text `index` of a list that `skip_texts` passed over; moves the position."""
        self.seek(marks[index // STRIDE])
        self._skip_texts(index % STRIDE)
        return self.text()

    def texts(self, marks: list[int], count: int) -> Iterator[bytes]:
        """Yield the `count` texts of a list that `skip_texts` passed over; moves the position."""
        for start in marks[:1]:
            self.seek(start)
        for _ in range(count):
            yield self.raw(self.u64())

    def _skip_texts(self, count: int) -> int:
        # Vocabularies hold hundreds of thousands of texts: no calls in the inner loop.
        unpack, longest = _U64.unpack_from, 0
        while count:
            self._require(8)
            data, at, last = self._data, self._at, len(self._data) - 8
            while count and at <= last:
                length: int = unpack(data, at)[0]
                at += 8 + length
                count -= 1
                if length > longest:
                    longest = length
            self.seek(self._base + at)
        return longest

    def _require(self, count: int) -> None:
        """Have `count` bytes from the position on in memory."""
        if len(self._data) - self._at >= count:
            return
        self._check(self.offset + count)
        rest = self._data[self._at :]
        self._data = rest + self._file.read(max(count - len(rest), _CHUNK))
        self._base, self._at = self.offset, 0
        if len(self._data) < count:
            raise self.fault("truncated: the file ends", self._base + len(self._data))

    def _check(self, offset: int) -> None:
        if offset > self._size:
            raise self.fault(f"truncated: the file ends at byte {self._size}, needed {offset}")
        if offset > MAX_HEADER:
            raise self.fault(f"a header of more than {MAX_HEADER} bytes")


class Field(NamedTuple):
    """A field of a message: its number, and a number or where its bytes lie."""

    number: int
    value: int  # 0 unless the wire type is a varint
    start: int
    end: int


class Wire:
    """An open file that holds one message. Every fault is a ModelFileError that names the file."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._file = file
        self._size = file.seek(0, 2)
        self._seen = 0

    def fault(self, what: str) -> ModelFileError:
        """Return an error about the file."""
        return ModelFileError(f"{self.name}: not an ONNX model: {what}")

    def fields(self, message: Field | None = None) -> Iterator[Field]:
        """Yield the fields of the whole file or of the `message` in it, in order."""
        at, end = (0, self._size) if message is None else (message.start, message.end)
        while at < end:
            self._file.seek(at)
            found = self._field(end)
            at = found.end
            yield found

    def integers(self, field: Field) -> list[int]:
        """Return the numbers of a repeated field, which may be packed into one."""
        if field.start == field.end:
            return [field.value]
        self._require_short(field)
        self._file.seek(field.start)
        values: list[int] = []
        while self._file.tell() < field.end:
            values.append(self._varint())
        return values

    def text(self, field: Field) -> str:
        """Return a field's bytes as text."""
        self._require_short(field)
        self._file.seek(field.start)
        return self._file.read(field.end - field.start).decode(errors="replace")

    def _field(self, limit: int) -> Field:
        self._seen += 1
        if self._seen > _MAX_FIELDS:
            raise self.fault(f"more than {_MAX_FIELDS} fields")
        tag = self._varint()
        number, kind, value, length = tag >> 3, tag & 7, 0, 0
        if kind == _VARINT:
            value = self._varint()
        elif kind == _BYTES:
            length = self._varint()
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise self.fault(f"a field of the unknown wire type {kind}")
        start = self._file.tell()
        if not number or start + length > limit:
            raise self.fault(f"a field ends at byte {start + length}, after its message ({limit})")
        return Field(number, value, start, start + length)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._file.read(1)
            if not byte:
                raise self.fault(f"truncated at byte {self._size}")
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return value
        raise self.fault("a number of more than 64 bits")

    def _require_short(self, field: Field) -> None:
        if field.end - field.start > _MAX_TEXT:
            raise self.fault(f"field {field.number} has {field.end - field.start} bytes")
