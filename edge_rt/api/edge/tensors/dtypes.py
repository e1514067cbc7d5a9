"""The types of numbers in tensors, in numpy's names, and how struct and .npy files write them."""

from __future__ import annotations

from typing import Literal

Dtype = Literal[
    "bool",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]

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
    "bool": "|b1",
    "int8": "|i1",
    "uint8": "|u1",
    **{f"float{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{
        f"{sign}int{bits}": f"<{sign or 'i'}{bits // 8}"
        for sign in ("", "u")
        for bits in (16, 32, 64)
    },
}
"""What .npy files call each, little-endian."""
