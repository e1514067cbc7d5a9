"""Slots are copied, saved and restored exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_rt.backends.onnx import kv as onnx_kv
from edge_rt.backends.onnx.kv import KvCache, KvShape
from edge_rt.core.errors import EngineError

SHAPE = KvShape(layers=2, sequences=3, kv_heads=2, context=8, head_dim=4)


@pytest.fixture
def kv() -> Iterator[KvCache]:
    """A cache of numbers that are all different, with 5 tokens in its slot 1."""
    kv = KvCache(SHAPE)
    random = np.random.default_rng(1)
    for buffer in kv.buffers:
        buffer[:] = random.normal(size=buffer.shape)
    kv.lengths[1] = 5
    yield kv
    kv.close()


def held(kv: KvCache, seq: int, length: int) -> list[onnx_kv.Buffer]:
    return [buffer[seq, :, :length].copy() for buffer in kv.buffers]


def same(a: list[onnx_kv.Buffer], b: list[onnx_kv.Buffer]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_there_are_keys_and_values_for_every_layer(kv: KvCache) -> None:
    assert len(kv.buffers) == 4
    assert len({buffer.ctypes.data for buffer in kv.buffers}) == 4
    assert kv.buffers[0].shape == (3, 2, 8, 4)
    size = sum(buffer.nbytes for buffer in kv.buffers)
    assert SHAPE.token_bytes * SHAPE.context * SHAPE.sequences == size


@pytest.mark.parametrize("length", [0, 3, 5])
def test_a_copy_is_equal_and_touches_nothing_else(kv: KvCache, length: int) -> None:
    source, other = held(kv, 1, 8), held(kv, 0, 8)
    rest = [part[:, length:] for part in held(kv, 2, 8)]
    kv.copy(1, 2, length)
    assert kv.lengths == [0, 5, length]
    assert same(held(kv, 2, length), [part[:, :length] for part in source])
    assert same([part[:, length:] for part in held(kv, 2, 8)], rest)
    assert same(held(kv, 1, 8), source)
    assert same(held(kv, 0, 8), other)


def test_what_was_saved_can_be_restored_elsewhere(kv: KvCache) -> None:
    before = held(kv, 1, 5)
    data = kv.save(1)
    assert len(data) == pytest.approx(5 * SHAPE.token_bytes, abs=64)
    kv.restore(2, data)
    assert kv.lengths == [0, 5, 5]
    assert same(held(kv, 2, 5), before)


def test_what_does_not_fit_leaves_nothing(kv: KvCache) -> None:
    data = kv.save(1)
    kv.lengths[2] = 1
    for wrong in (b"", data[:-1], data + b"\0", b"x" + data[1:], bytes(len(data))):
        with pytest.raises(EngineError, match="not of this model, or not all of it"):
            kv.restore(2, wrong)
        assert kv.lengths[2] == 0


def test_a_longer_context_than_here_is_refused(kv: KvCache) -> None:
    other = KvCache(KvShape(layers=2, sequences=1, kv_heads=2, context=64, head_dim=4))
    other.lengths[0] = 9
    with pytest.raises(EngineError, match="9 tokens were saved, and a sequence holds 8"):
        kv.restore(0, other.save(0))


@pytest.mark.parametrize("change", [{"layers": 1}, {"kv_heads": 1}, {"head_dim": 8}])
def test_another_model_is_refused(kv: KvCache, change: dict[str, int]) -> None:
    sizes = {"layers": 2, "sequences": 3, "kv_heads": 2, "context": 8, "head_dim": 4} | change
    other = KvCache(KvShape(**sizes))
    other.lengths[0] = 4
    with pytest.raises(EngineError, match="not of this model"):
        kv.restore(0, other.save(0))
