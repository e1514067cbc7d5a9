"""Adapters on one model's weights: llama.cpp's own logits, each in a context of its own."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import pytest
from conformance import feed
from lora import merged, write_lora
from tiny_gguf import Tiny, byte_level, dequantised, write_tiny

from edge_rt.backends.llama.backend import LlamaBackend
from edge_rt.backends.llama.model import SharedWeights
from edge_rt.core.errors import ModelFileError

TOKENS = [5, 9, 33, 7, 80]
Adapters = Sequence[tuple[str, float]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("lora") / "base.gguf", Tiny(), byte_level("gpt-2"))


@pytest.fixture(scope="module")
def adapters(base: Path) -> list[str]:
    """Two files of LoRA."""
    weights = dequantised(base)
    return [str(write_lora(base.with_name(f"{seed}.gguf"), weights, seed)) for seed in (1, 2)]


def load(path: Path, adapters: Adapters = (), weights: SharedWeights | None = None) -> LlamaBackend:
    return LlamaBackend(
        path,
        context=64,
        sequences=2,
        batch=32,
        threads=1,
        kv_type="f16",
        adapters=adapters,
        weights=weights,
    )


def logits(path: Path, adapters: Adapters = ()) -> np.ndarray:
    with closing(load(path, adapters)) as model:
        return feed(model, 0, 0, TOKENS)


def own_logits(path: Path, adapters: Adapters) -> np.ndarray:
    """llama.cpp's, by its own functions alone."""
    params = lib.llama_model_default_params()
    params.n_gpu_layers = 0
    model: Any = lib.llama_model_load_from_file(str(path).encode(), params)
    settings = lib.llama_context_default_params()
    settings.n_ctx, settings.n_threads, settings.n_threads_batch = 64, 1, 1
    settings.flash_attn_type = 1
    context: Any = lib.llama_init_from_model(model, settings)
    found = [lib.llama_adapter_lora_init(model, file.encode()) for file, _ in adapters]
    pointers = (lib.llama_adapter_lora_p_ctypes * len(found))(*found)
    scales = (ctypes.c_float * len(found))(*(scale for _, scale in adapters))
    untyped: Any = lib
    untyped.llama_set_adapters_lora(context, pointers, len(found), scales)
    array = (lib.llama_token * len(TOKENS))(*TOKENS)
    assert lib.llama_decode(context, lib.llama_batch_get_one(array, len(TOKENS))) == 0
    words: Any = lib.llama_model_get_vocab(model)
    vocab = lib.llama_vocab_n_tokens(words)
    row: Any = lib.llama_get_logits_ith(context, -1)
    result = np.array(row[:vocab], np.float32)
    lib.llama_free(context)
    lib.llama_model_free(model)
    return result


@pytest.mark.parametrize("scales", [(1.0, 0.0), (0.0, 1.0), (0.5, -2.0)])
def test_logits_are_llama_cpps_own(
    base: Path, adapters: list[str], scales: tuple[float, float]
) -> None:
    chosen = [(file, scale) for file, scale in zip(adapters, scales, strict=True) if scale]
    found = logits(base, chosen)
    np.testing.assert_allclose(found, own_logits(base, chosen), atol=1e-4)
    assert np.abs(found - logits(base)).max() > 0.1


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_an_adapter_is_as_if_it_were_in_the_weights(
    base: Path, adapters: list[str], scale: float, tmp_path: Path
) -> None:
    weights = merged(dequantised(base), 1, scale)
    whole = write_tiny(tmp_path / "whole.gguf", Tiny(), byte_level("gpt-2"), weights=weights)
    expected = logits(whole)
    np.testing.assert_allclose(logits(base, [(adapters[0], scale)]), expected, atol=0.02)


def test_models_on_one_file_share_its_weights_and_nothing_else(
    base: Path, adapters: list[str]
) -> None:
    alone = [logits(base), *(logits(base, [(file, 1.0)]) for file in adapters)]
    weights = SharedWeights()
    plain = load(base, (), weights)
    with (
        closing(load(base, [(adapters[0], 1.0)], weights)) as first,
        closing(load(base, [(adapters[1], 1.0)], weights)) as second,
    ):
        assert plain._model is first._model is second._model
        for _ in range(2):  # switching back and forth
            for model, expected in zip((plain, first, second), alone, strict=True):
                model.rewind(0, 0)
                np.testing.assert_array_equal(feed(model, 0, 0, TOKENS), expected)
        plain.close()
        first.rewind(0, 0)
        np.testing.assert_array_equal(feed(first, 0, 0, TOKENS), alone[1])


def test_a_file_that_is_no_adapter_is_refused_and_frees_the_weights(
    base: Path, adapters: list[str]
) -> None:
    weights = SharedWeights()
    with pytest.raises(ModelFileError, match=r"cannot use the adapter base\.gguf"):
        load(base, [(adapters[0], 1.0), (str(base), 1.0)], weights)
    with closing(load(base, (), weights)) as model:
        np.testing.assert_array_equal(feed(model, 0, 0, TOKENS), logits(base))


def test_a_file_that_was_replaced_is_loaded_anew(base: Path, tmp_path: Path) -> None:
    path, weights = tmp_path / "model.gguf", SharedWeights()
    path.write_bytes(base.read_bytes())
    with closing(load(path, (), weights)):
        other = write_tiny(
            tmp_path / "other.gguf",
            Tiny(),
            byte_level("gpt-2"),
            weights=merged(dequantised(base), 5),
        )
        expected = logits(other)
        other.replace(path)
        with closing(load(path, (), weights)) as new:
            np.testing.assert_array_equal(feed(new, 0, 0, TOKENS), expected)
