"""Tensors in JSON: numbers in lists, or their bytes in base64."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from itertools import chain
from typing import Annotated, Any

import msgspec
from msgspec import Meta

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

MAX_RANK = 16


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor with its type; `data` is flat or nested, and without a `shape` tells it.

    In base64 it is the bytes of all numbers, little-endian, the last dimension fastest.
    """

    dtype: str
    data: Any
    shape: Annotated[list[int], Meta(max_length=MAX_RANK)] | None = None


class FlatNumbers(msgspec.Struct, frozen=True):
    """A tensor of an answer: `data` is flat, the last dimension fastest, or in base64.

    In a list, null stands for a value that JSON has no number for, such as an infinity.
    """

    dtype: str
    shape: list[int]
    data: list[Any] | str


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
    if isinstance(numbers.data, str):
        return _unpacked(numbers, numbers.data, at)
    shape, flat = _shape(numbers.data, f"{at}.data")
    if numbers.shape is not None:
        if min(numbers.shape, default=0) < 0 or math.prod(numbers.shape) != len(flat):
            raise invalid(f"{at}.shape", f"{numbers.shape} does not hold {len(flat)} numbers")
        shape = numbers.shape
    return Tensor(numbers.dtype, shape, _packed(flat, numbers.dtype, at))


def _unpacked(numbers: Numbers, text: str, at: str) -> Tensor:
    """Return a tensor whose data came in base64."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise invalid(f"{at}.data", f"it is no base64: {error}") from None
    size = struct.calcsize(f"<{STRUCT[numbers.dtype]}")
    shape = [len(data) // size] if numbers.shape is None else numbers.shape
    if min(shape, default=0) < 0 or size * math.prod(shape) != len(data):
        what = f"{shape} takes {size * math.prod(shape)} bytes of {numbers.dtype}, got {len(data)}"
        raise invalid(f"{at}.shape", what)
    return Tensor(numbers.dtype, shape, data)


def write_tensor(tensor: Tensor, *, in_base64: bool) -> FlatNumbers:
    """Return the tensor as a part of an answer."""
    if in_base64:
        return FlatNumbers(tensor.dtype, tensor.shape, base64.b64encode(tensor.data).decode())
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
