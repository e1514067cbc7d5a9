"""Blocks of quantised GGUF tensors as integers, scales and offsets, without loss.

Every weight is scale * (value - zero) + offset, where zero is the middle of the values' range
and only some types have an offset. Layouts are those of ggml's block types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gguf
import numpy as np

from edge_rt_convert import ConvertError

FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Blocks:
    """A matrix of `rows` by `columns` weights, in blocks of `size` along the columns.

    `values`: uint8 (rows, columns), below 2**bits; `scales` and `offsets`: float32
    (rows, columns / size).
    """

    bits: int
    size: int
    values: np.ndarray
    scales: np.ndarray
    offsets: np.ndarray | None = None

    @property
    def zero(self) -> int:
        """The value that stands for nothing but the offset."""
        return 1 << (self.bits - 1)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns), that is (outputs, inputs)."""
        return self.values.shape

    def packed(self) -> np.ndarray:
        """uint8 (rows, blocks, bytes of a block); of two 4-bit values the first is low."""
        rows, columns = self.shape
        values = self.values
        if self.bits == 4:
            values = values[:, 0::2] | (values[:, 1::2] << 4)
        return np.ascontiguousarray(values.reshape(rows, columns // self.size, -1))

    def floats(self) -> np.ndarray:
        """The weights in float32 (rows, columns)."""
        rows, columns = self.shape
        blocks = self.values.reshape(rows, -1, self.size).astype(np.float32) - self.zero
        weights = blocks * self.scales[..., None]
        if self.offsets is not None:
            weights += self.offsets[..., None]
        return weights.reshape(rows, columns)


def eight_bits(weights: np.ndarray) -> Blocks:
    """Any matrix (rows, columns), rounded to 8 bits in blocks of 32: this loses a little."""
    rows, columns = weights.shape
    blocks = weights.reshape(rows, columns // 32, 32)
    scales = np.abs(blocks).max(axis=-1) / np.float32(127)
    steps = np.where(scales > 0, scales, np.float32(1))[..., None]
    values = (np.rint(blocks / steps) + 128).astype(np.uint8)
    return Blocks(8, 32, values.reshape(rows, columns), scales.astype(np.float32))


def unpack(tensor: gguf.ReaderTensor) -> Blocks:
    """The blocks of a quantised tensor; raises ConvertError for a type that is not known."""
    kind = tensor.tensor_type.name
    if kind not in _TYPES:
        known = ", ".join([*FLOATS, *_TYPES])
        raise ConvertError(f"{tensor.name} is quantised as {kind}; known are {known}")
    columns, rows = (int(length) for length in tensor.shape)
    raw = np.asarray(tensor.data).reshape(rows, -1)
    size = gguf.GGML_QUANT_SIZES[tensor.tensor_type][1]
    return _TYPES[kind](raw.reshape(rows, -1, size), rows, columns)


def _half(raw: np.ndarray, start: int) -> np.ndarray:
    """The float16 at byte `start` of every block, as float32 (rows, blocks)."""
    bytes_ = np.ascontiguousarray(raw[..., start : start + 2])
    return bytes_.view(np.float16)[..., 0].astype(np.float32)


def _nibbles(packed: np.ndarray) -> np.ndarray:
    """First all low halves of the last axis, then all high ones."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _fifth_bits(raw: np.ndarray, start: int) -> np.ndarray:
    """The 32 bits at byte `start` of every block, worth 16 each."""
    bits = np.unpackbits(raw[..., start : start + 4], axis=-1, bitorder="little")
    return bits << 4


def _q4_0(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    values = _nibbles(raw[..., 2:])
    return Blocks(4, 32, values.reshape(rows, columns), _half(raw, 0))


def _q4_1(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    return _with_minimum(4, _nibbles(raw[..., 4:]), _half(raw, 0), _half(raw, 2), rows, columns)


def _q5_0(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    values = _nibbles(raw[..., 6:]) + _fifth_bits(raw, 2) + (128 - 16)
    return Blocks(8, 32, values.reshape(rows, columns), _half(raw, 0))


def _q5_1(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    values = _nibbles(raw[..., 8:]) + _fifth_bits(raw, 4)
    return _with_minimum(8, values, _half(raw, 0), _half(raw, 2), rows, columns)


def _q8_0(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    values = raw[..., 2:] ^ 128  # two's complement, moved by 128
    return Blocks(8, 32, values.reshape(rows, columns), _half(raw, 0))


def _q4_k(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    values = _nibbles(raw[..., 16:].reshape(*raw.shape[:2], 4, 32))
    return _with_minimum(4, values, *_k_scales(raw), rows, columns)


def _q5_k(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    values = _nibbles(raw[..., 48:].reshape(*raw.shape[:2], 4, 32)).reshape(*raw.shape[:2], 8, 32)
    shifts = np.arange(8, dtype=np.uint8)[:, None]
    high = (raw[..., None, 16:48] >> shifts) & 1
    return _with_minimum(8, values + (high << 4), *_k_scales(raw), rows, columns)


def _q6_k(raw: np.ndarray, rows: int, columns: int) -> Blocks:
    low = raw[..., :128].reshape(*raw.shape[:2], 2, 2, 32)
    low = np.stack([low & 15, low >> 4], axis=-3)  # (rows, blocks, half, nibble, 2, 32)
    shifts = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
    high = (raw[..., 128:192].reshape(*raw.shape[:2], 2, 1, 32) >> shifts) & 3
    values = low.reshape(*high.shape) + (high << 4) + (128 - 32)
    scales = raw[..., 192:208].view(np.int8).astype(np.float32) * _half(raw, 208)[..., None]
    return Blocks(8, 16, values.reshape(rows, columns), scales.reshape(rows, -1))


def _k_scales(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and minimum of the eight blocks of 32 in each block of 256."""
    first, second, third = raw[..., 4:8], raw[..., 8:12], raw[..., 12:16]
    scale = [first & 63, (third & 15) | (first >> 6 << 4)]
    minimum = [second & 63, (third >> 4) | (second >> 6 << 4)]
    scales = np.concatenate(scale, axis=-1).astype(np.float32) * _half(raw, 0)[..., None]
    minima = np.concatenate(minimum, axis=-1).astype(np.float32) * -_half(raw, 2)[..., None]
    return scales, minima


def _with_minimum(
    bits: int, values: np.ndarray, scales: np.ndarray, minima: np.ndarray, rows: int, columns: int
) -> Blocks:
    """Blocks of scale * value + minimum."""
    scales, minima = scales.reshape(rows, -1), minima.reshape(rows, -1)
    zero = np.float32(1 << (bits - 1))
    if bits == 8:  # five bits around the middle, so that the offset stays small
        values, zero = values + (128 - 16), np.float32(16)
    offsets = minima + zero * scales
    return Blocks(bits, 32, values.reshape(rows, columns), scales, offsets)


_TYPES: dict[str, Callable[[np.ndarray, int, int], Blocks]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
