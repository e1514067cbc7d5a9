"""Tensors in JSON: nested lists, or {"dtype": ..., "shape": [...], "data": [...]}."""

from __future__ import annotations

import math
import struct
from itertools import chain
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_rt.api.edge.tensors.dtypes import STRUCT, Dtype
from edge_rt.api.middleware.decode import describe
from edge_rt.core.errors import RequestError
from edge_rt.engine.protocol import Tensor

MAX_RANK = 16


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor with its type; `data` is flat or nested, and without a `shape` tells it."""

    dtype: Dtype
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
    """The tensor for input `name`; RequestError, which names it, where it is none."""
    at = f"inputs.{name}"
    if not isinstance(given, dict):
        shape, flat = _shape(given, at)
        dtype = _dtype(flat, at)
        return Tensor(dtype, shape, _packed(flat, dtype, at), loose=True)
    dtype: object = given.get("dtype")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    if isinstance(dtype, str) and dtype not in STRUCT:
        what = f"expected one of {', '.join(STRUCT)}, got {describe(dtype)}"
        raise _fault(f"{at}.dtype", what)
    try:
        numbers = msgspec.convert(given, Numbers)
    except msgspec.ValidationError as error:
        raise _fault(at, str(error).replace("Object", "it").replace("$", at)) from None
    shape, flat = _shape(numbers.data, f"{at}.data")
    if numbers.shape is not None:
        if min(numbers.shape, default=0) < 0 or math.prod(numbers.shape) != len(flat):
            raise _fault(f"{at}.shape", f"{numbers.shape} does not hold {len(flat)} numbers")
        shape = numbers.shape
    return Tensor(numbers.dtype, shape, _packed(flat, numbers.dtype, at))


def write_tensor(tensor: Tensor) -> FlatNumbers:
    """The tensor as a part of an answer."""
    count = math.prod(tensor.shape)
    data = list(struct.unpack(f"<{count}{STRUCT[tensor.dtype]}", tensor.data))
    return FlatNumbers(tensor.dtype, tensor.shape, data)


def _shape(value: object, at: str) -> tuple[list[int], list[Any]]:
    """The shape of nested lists, and their numbers in one."""
    shape: list[int] = []
    flat: list[Any] = [value]
    while flat and isinstance(flat[0], list):
        size = len(flat[0])  # pyright: ignore[reportUnknownArgumentType]
        if any(not isinstance(row, list) or len(row) != size for row in flat):  # pyright: ignore[reportUnknownArgumentType]
            raise _fault(at, f"its lists of rank {len(shape) + 1} differ in length")
        shape.append(size)
        if len(shape) > MAX_RANK:
            raise _fault(at, f"its lists are nested more than {MAX_RANK} deep")
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
    raise _fault(at, f"expected numbers, got {describe(strange)}")


def _packed(flat: list[Any], dtype: str, at: str) -> bytes:
    strange = next((v for v in flat if not isinstance(v, (bool, int, float))), None)
    if strange is not None or None in flat:
        raise _fault(at, f"expected numbers, got {describe(strange)}")
    try:
        return struct.pack(f"<{len(flat)}{STRUCT[dtype]}", *flat)
    except (struct.error, OverflowError) as error:
        raise _fault(at, f"a number is no {dtype} ({error})") from None


def _fault(at: str, what: str) -> RequestError:
    return RequestError(f"`{at}`: {what}.", param=at, code="invalid_value")
