"""Tensors of messages as arrays, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import LooseArray
from edge_rt.engine.protocol import Tensor
from edge_rt.errors import RequestError

DTYPES = (
    *("bool", "float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64"),
)


def to_array(tensor: Tensor, name: str) -> LooseArray:
    """The array of input `name`; RequestError where the parts do not fit together."""
    if tensor.dtype not in DTYPES:
        raise _fault(name, f"there is no dtype {tensor.dtype!r:.40}: use {', '.join(DTYPES)}")
    dtype = _little(tensor.dtype)
    if min(tensor.shape, default=0) < 0:
        raise _fault(name, "a size of its shape is negative")
    want = math.prod(tensor.shape) * int(dtype.itemsize)
    if want != len(tensor.data):
        raise _fault(name, f"its shape takes {want} bytes, got {len(tensor.data)}")
    array: Any = np.frombuffer(tensor.data, dtype)
    array = array.reshape(tensor.shape).astype(tensor.dtype, copy=False)
    return LooseArray(array, tensor.loose)


def to_tensor(array: NDArray[Any]) -> Tensor:
    """The message for an output."""
    dtype = str(array.dtype)
    data: NDArray[Any] = np.ascontiguousarray(array, _little(dtype))
    return Tensor(dtype, list(array.shape), data.tobytes())


def _little(dtype: str) -> Any:
    native: Any = np.dtype(dtype)
    return native.newbyteorder("<")


def _fault(name: str, what: str) -> RequestError:
    param = f"inputs.{name}"
    return RequestError(f"`{param}`: {what}.", param=param, code="invalid_value")
