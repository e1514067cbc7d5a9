from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
from edge_rt_convert import ConvertError
from edge_rt_convert.blocks import eight_bits, unpack
from gguf import GGMLQuantizationType as Kind

ROWS, COLUMNS = 3, 512
HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}


def tensor(kind: Kind) -> Any:
    """Blocks of random bytes, with scales that are numbers."""
    random = np.random.default_rng(1)
    block, size = gguf.GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (ROWS, COLUMNS // block, size), np.uint8)
    for at in HALVES.get(kind.name, (0,)):
        scales = random.normal(size=raw.shape[:2]).astype(np.float16)
        raw[..., at : at + 2] = scales.view(np.uint8).reshape(*raw.shape[:2], 2)
    data = raw.reshape(ROWS, -1)
    return SimpleNamespace(name="w", tensor_type=kind, shape=np.array([COLUMNS, ROWS]), data=data)


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
def test_blocks_hold_the_weights_of_the_reference(name: str) -> None:
    given = tensor(Kind[name])
    blocks = unpack(given)
    wanted = gguf.dequantize(given.data, given.tensor_type)
    assert blocks.shape == (ROWS, COLUMNS)
    assert blocks.scales.shape == (ROWS, COLUMNS // blocks.size)
    # with an offset, (q - zero) * s + (m + zero * s) rounds where q * s + m does not
    bound = 0 if blocks.offsets is None else 4e-6 * np.abs(wanted).max()
    assert np.abs(blocks.floats() - wanted).max() <= bound
    assert int(blocks.values.max()) < 1 << blocks.bits


def test_four_bits_are_packed_with_the_first_value_low() -> None:
    blocks = unpack(tensor(Kind.Q4_0))
    packed = blocks.packed()
    assert packed.shape == (ROWS, COLUMNS // 32, 16)
    assert packed[1, 0, 0] == blocks.values[1, 0] | blocks.values[1, 1] << 4


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(ConvertError, match="w is quantised as IQ4_NL; known are F32"):
        unpack(tensor(Kind.IQ4_NL))


def test_eight_bits_miss_a_weight_by_half_a_step_at_most() -> None:
    weights = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    weights[2, :32] = 0
    blocks = eight_bits(weights)
    steps = np.repeat(blocks.scales, 32, axis=1)
    assert (np.abs(blocks.floats() - weights) <= steps * 0.5001).all()
    assert (blocks.floats()[2, :32] == 0).all()
