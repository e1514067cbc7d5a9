"""A reader for the header of GGUF files, versions 2 and 3, little-endian.

Only the header is read, never the weights; its figures are checked against the file's size.
The rules are those of the reference implementation (ggml's gguf.cpp): keys and tensor names are
unique, lists do not nest, tensor data are in order without gaps but the alignment's padding.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_rt.core.errors import ModelFileError
from edge_rt.models.formats.cursor import Cursor
from edge_rt.models.formats.metadata import U32, Metadata, Value
from edge_rt.models.formats.tensors import read_tensors
from edge_rt.models.store.disk import open_regular

MAX_COUNT = 65_536  # metadata entries, and tensors


@dataclass(frozen=True)
class Header:
    """What a GGUF header says, without its vocabulary and the other long lists."""

    path: Path
    version: int
    file_bytes: int
    values: dict[str, Value]  # numbers, short lists of integers and the texts worth keeping
    vocab: int  # tokens in the vocabulary
    bos_token: str | None
    eos_token: str | None
    elements: dict[str, int]  # tensor type name -> numbers stored that way


def read_header(path: Path) -> Header:
    """The header of the GGUF file at `path`, checked; raises ModelFileError."""
    with _opened(path) as (cursor, size):
        return _read(cursor, path, size)


def read_tokens(path: Path) -> tuple[list[str], int | None]:
    """The control tokens of the GGUF file at `path` as its vocabulary writes them, and the most
    bytes that it writes any token with, None without a vocabulary.

    Raises ModelFileError.
    """
    with _opened(path) as (cursor, _):
        _version(cursor)
        _, metadata = _entries(cursor)
        return metadata.control_tokens(cursor), metadata.longest_token(cursor)


def refuse_twins(path: Path) -> None:
    """Raise ModelFileError where two tokens are the same, for which llama.cpp ends its process.

    Reads the whole vocabulary, which takes some tenths of a second.
    """
    with _opened(path) as (cursor, _):
        _version(cursor)
        _, metadata = _entries(cursor)
        metadata.refuse_twins(cursor)


@contextmanager
def _opened(path: Path) -> Generator[tuple[Cursor, int]]:
    """A cursor at the begin of the file, and the file's size; raises ModelFileError."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            yield Cursor(file, size, str(path)), size
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror or error}") from error


def _entries(cursor: Cursor) -> tuple[int, Metadata]:
    """How many tensors there are, and what the entries say."""
    tensors, entries = _count(cursor, "tensors"), _count(cursor, "metadata entries")
    metadata = Metadata()
    for _ in range(entries):
        metadata.read(cursor)
    return tensors, metadata


def _read(cursor: Cursor, path: Path, size: int) -> Header:
    version = _version(cursor)
    tensors, metadata = _entries(cursor)
    metadata.check(cursor)
    return Header(
        path=path,
        version=version,
        file_bytes=size,
        elements=read_tensors(cursor, tensors, metadata.alignment(cursor), size),
        values=metadata.values,
        vocab=metadata.vocab,
        bos_token=metadata.token(cursor, "tokenizer.ggml.bos_token_id"),
        eos_token=metadata.token(cursor, "tokenizer.ggml.eos_token_id"),
    )


def _version(cursor: Cursor) -> int:
    magic = cursor.raw(4)
    if magic != b"GGUF":
        raise cursor.fault(f"not a GGUF file: it begins with {magic!r}", 0)
    version = int(cursor.number(U32))
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        hint = "; it is big-endian" if swapped in (2, 3) else ""
        raise cursor.fault(f"GGUF version {version}, but 2 and 3 can be read{hint}", 4)
    return version


def _count(cursor: Cursor, what: str) -> int:
    count = cursor.u64()
    if count > MAX_COUNT:
        raise cursor.fault(f"{count} {what}, but at most {MAX_COUNT} make sense", cursor.offset - 8)
    return count
