"""Tensors as JSON and as numpy's .npy and .npz files, without numpy."""

from __future__ import annotations

import ast
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException

from edge_rt.api.middleware.decode import describe
from edge_rt.core.errors import invalid
from edge_rt.core.events import Tensor

STRUCT: dict[str, str] = {
    "bool": "?",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
}
"""The letter for each in the module struct."""

NPY: dict[str, str] = {
    dtype: f"{'|' if size == 1 else '<'}{dtype[0]}{size}"
    for dtype, size in ((dtype, struct.calcsize(f"<{code}")) for dtype, code in STRUCT.items())
}
"""What .npy files call each, little-endian."""


MAGIC = b"\x93NUMPY"
_DTYPES = {code: dtype for dtype, code in NPY.items()}
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the header's length, by version
_ALIGN = 64  # bytes, a multiple of which header and all before it take
_MAX_HEADER = 64 * 1024
_MAX_FILES = 256
_MOST_AXES = 64  # numpy's
MAX_RANK = 16


def read_npy(body: bytes, name: str) -> Tensor:
    """Return the tensor in an .npy file, for the input `name`; RequestError where it is none."""
    at = f"inputs.{name}" if name else "inputs"
    header, begin = _header(body, at)
    code = header.get("descr")
    dtype = _DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        fits = ", ".join(_DTYPES)
        raise invalid(at, f"arrays of {code!r:.60} are not taken: use one of {fits}")
    if header.get("fortran_order") is not False:
        raise invalid(at, "its order is Fortran's: save numpy.ascontiguousarray(array)")
    return _tensor(dtype, _sizes(header.get("shape"), at), body[begin:], at)


def write_npy(tensor: Tensor) -> bytes:
    """Return the tensor as an .npy file of version 1.0."""
    shape = "".join(f"{size}, " for size in tensor.shape)
    header = f"{{'descr': '{NPY[tensor.dtype]}', 'fortran_order': False, 'shape': ({shape}), }}"
    before = len(MAGIC) + 2 + _LENGTH_BYTES[1]
    padded = header + " " * (-(before + len(header) + 1) % _ALIGN) + "\n"
    return MAGIC + b"\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode() + tensor.data


def read_npz(body: bytes, limit: int) -> dict[str, Tensor]:
    """Return the tensors of an .npz file by name.

    RequestError where it is none; HTTPException 413 when it unpacks to more than `limit` bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = archive.infolist()
            if len(files) > _MAX_FILES:
                raise invalid("inputs", f"the archive has more than {_MAX_FILES} files")
            if sum(file.file_size for file in files) > limit:
                raise HTTPException(413, f"The arrays are larger than the {limit} bytes allowed.")
            names = {file.filename.removesuffix(".npy"): file for file in files}
            return {name: read_npy(_member(archive, file), name) for name, file in names.items()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise invalid("inputs", f"the body is no .npz file: {error}") from None


def write_npz(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the tensors as an .npz file, not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, tensor in tensors.items():
            archive.writestr(f"{name}.npy", write_npy(tensor))
    return out.getvalue()


def _member(archive: zipfile.ZipFile, file: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member, at most as many as the archive states."""
    if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        what = "is packed in a way that numpy does not use: save it with numpy.savez_compressed"
        raise invalid("inputs", f"{file.filename!r:.80} {what}")
    with archive.open(file) as member:
        return member.read(file.file_size)


def _header(body: bytes, at: str) -> tuple[dict[str, Any], int]:
    """Return the header, and where the numbers begin."""
    version = body[len(MAGIC)] if len(body) > len(MAGIC) else 0
    if not body.startswith(MAGIC) or version not in _LENGTH_BYTES:
        raise invalid(at, "it is no .npy file of version 1, 2 or 3")
    begin = len(MAGIC) + 2
    middle = begin + _LENGTH_BYTES[version]
    end = middle + int.from_bytes(body[begin:middle], "little")
    if end - middle > _MAX_HEADER or end > len(body):
        raise invalid(at, "the header of the .npy file is cut off or far too long")
    try:
        header: Any = ast.literal_eval(body[middle:end].decode().strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        header = None
    if not isinstance(header, dict):
        raise invalid(at, "the header of the .npy file is no dictionary")
    return header, end  # pyright: ignore[reportUnknownVariableType]


def _sizes(shape: Any, at: str) -> list[int]:
    sizes: list[Any] = list(shape) if isinstance(shape, tuple) else [None]  # pyright: ignore[reportUnknownArgumentType]
    if len(sizes) > _MOST_AXES or not all(type(n) is int and 0 <= n < 2**63 for n in sizes):
        raise invalid(at, f"{shape!r:.60} is no shape")
    return sizes


def _tensor(dtype: str, shape: list[int], data: bytes, at: str) -> Tensor:
    size = int(NPY[dtype][2:]) * math.prod(shape)
    if len(data) != size:
        raise invalid(at, f"its shape takes {size} bytes, and the .npy file has {len(data)}")
    return Tensor(dtype, shape, data)


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor with its type; `data` is flat or nested, and without a `shape` tells it."""

    dtype: str
    data: Any
    shape: Annotated[list[int], Meta(max_length=MAX_RANK)] | None = None


class FlatNumbers(msgspec.Struct, frozen=True):
    """A tensor of an answer: `data` is flat, the last dimension fastest.

    What is no number, such as an infinity, is null.
    """

    dtype: str
    shape: list[int]
    data: list[Any]


def read_tensor(given: object, name: str) -> Tensor:
    """Return the tensor for input `name`; RequestError, which names it, where it is none."""
    at = f"inputs.{name}"
    if not isinstance(given, dict):
        shape, flat = _shape(given, at)
        dtype = _dtype(flat, at)
        return Tensor(dtype, shape, _packed(flat, dtype, at), loose=True)
    dtype: object = given.get("dtype")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    if isinstance(dtype, str) and dtype not in STRUCT:
        what = f"expected one of {', '.join(STRUCT)}, got {describe(dtype)}"
        raise invalid(f"{at}.dtype", what)
    try:
        numbers = msgspec.convert(given, Numbers)
    except msgspec.ValidationError as error:
        raise invalid(at, str(error).replace("Object", "it").replace("$", at)) from None
    shape, flat = _shape(numbers.data, f"{at}.data")
    if numbers.shape is not None:
        if min(numbers.shape, default=0) < 0 or math.prod(numbers.shape) != len(flat):
            raise invalid(f"{at}.shape", f"{numbers.shape} does not hold {len(flat)} numbers")
        shape = numbers.shape
    return Tensor(numbers.dtype, shape, _packed(flat, numbers.dtype, at))


def write_tensor(tensor: Tensor) -> FlatNumbers:
    """Return the tensor as a part of an answer."""
    count = math.prod(tensor.shape)
    data = list(struct.unpack(f"<{count}{STRUCT[tensor.dtype]}", tensor.data))
    return FlatNumbers(tensor.dtype, tensor.shape, data)


def _shape(value: object, at: str) -> tuple[list[int], list[Any]]:
    """Return the shape of nested lists, and their numbers in one."""
    shape: list[int] = []
    flat: list[Any] = [value]
    while flat and isinstance(flat[0], list):
        size = len(flat[0])  # pyright: ignore[reportUnknownArgumentType]
        if any(not isinstance(row, list) or len(row) != size for row in flat):  # pyright: ignore[reportUnknownArgumentType]
            raise invalid(at, f"its lists of rank {len(shape) + 1} differ in length")
        shape.append(size)
        if len(shape) > MAX_RANK:
            raise invalid(at, f"its lists are nested more than {MAX_RANK} deep")
        flat = list(chain.from_iterable(flat))
    return shape, flat


def _dtype(flat: list[Any], at: str) -> str:
    kinds = set(map(type, flat))
    if kinds <= {bool} and kinds:
        return "bool"
    if kinds <= {int}:
        return "int64"
    if kinds <= {int, float}:
        return "float64"
    strange = next(value for value in flat if type(value) not in (int, float))
    raise invalid(at, f"expected numbers, got {describe(strange)}")


def _packed(flat: list[Any], dtype: str, at: str) -> bytes:
    strange = next((v for v in flat if not isinstance(v, (bool, int, float))), None)
    if strange is not None or None in flat:
        raise invalid(at, f"expected numbers, got {describe(strange)}")
    try:
        return struct.pack(f"<{len(flat)}{STRUCT[dtype]}", *flat)
    except (struct.error, OverflowError) as error:
        raise invalid(at, f"a number is no {dtype} ({error})") from None
