"""The cuts of the distribution are those of llama.cpp's own samplers."""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import pytest

from edge_rt.core.decoding import Sampling
from edge_rt.decoding.draws import kept, shortlist


def after(sampler: Any, logits: np.ndarray) -> dict[int, float]:
    """The logits of the tokens that a sampler of llama.cpp leaves."""
    data = (lib.llama_token_data * logits.size)()
    for token, logit in enumerate(logits.tolist()):
        data[token] = lib.llama_token_data(token, logit, 0.0)
    array = lib.llama_token_data_array(data, logits.size, -1, False)
    lib.llama_sampler_apply(sampler, ctypes.byref(array))
    return {array.data[i].id: array.data[i].logit for i in range(array.size)}


@pytest.mark.parametrize("heat", [0.3, 1.7])
def test_what_is_cut_is_what_llama_cpp_cuts(heat: float) -> None:
    logits = np.random.default_rng(4).normal(0, 3, 400).astype(np.float32)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for sampler in (
        lib.llama_sampler_init_temp(heat),
        lib.llama_sampler_init_top_k(20),
        lib.llama_sampler_init_top_p(0.8, 1),
        lib.llama_sampler_init_min_p(0.04, 1),
    ):
        lib.llama_sampler_chain_add(chain, sampler)
    expected = after(chain, logits)
    lib.llama_sampler_free(chain)
    how = Sampling(temperature=heat, top_k=20, top_p=0.8, min_p=0.04)
    short = shortlist(logits, how, float(logits.max()), 0.5)
    count = kept(short, how)
    top = max(expected.values())
    weights = {token: np.exp(logit - top) for token, logit in expected.items()}
    ids, found = short.ids.tolist()[:count], short.weights.tolist()[:count]
    assert dict(zip(ids, found, strict=True)) == pytest.approx(weights, rel=1e-4)
