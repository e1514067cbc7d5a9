"""Protobuf's wire format, read step by step from a file, trusting no number that it holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from edge_rt.core.errors import ModelFileError

_MAX_FIELDS = 4_000_000  # in one file; graphs have some ten thousands of nodes
_MAX_TEXT = 64 * 1024  # bytes of a text or of packed integers that are looked at
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


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
        """An error about the file."""
        return ModelFileError(f"{self.name}: not an ONNX model: {what}")

    def fields(self, message: Field | None = None) -> Iterator[Field]:
        """The fields of the whole file or of the `message` in it, in order."""
        at, end = (0, self._size) if message is None else (message.start, message.end)
        while at < end:
            self._file.seek(at)
            found = self._field(end)
            at = found.end
            yield found

    def integers(self, field: Field) -> list[int]:
        """The numbers of a repeated field, which may be packed into one."""
        if field.start == field.end:
            return [field.value]
        self._require_short(field)
        self._file.seek(field.start)
        values: list[int] = []
        while self._file.tell() < field.end:
            values.append(self._varint())
        return values

    def text(self, field: Field) -> str:
        """A field's bytes as text."""
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
