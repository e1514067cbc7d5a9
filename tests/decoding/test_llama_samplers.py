"""DRY and the cuts of the distribution do what llama.cpp's own samplers do."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lib
import numpy as np
import pytest

from edge_rt.backends.llama.model import cut, load_vocabulary
from edge_rt.core.decoding import Dry, Sampling
from edge_rt.decoding.adjuster import Adjuster
from edge_rt.decoding.draws import kept, shortlist

CONTEXT = 4096
BREAKERS = Dry(1.0).breakers
TEXTS = (
    "the cat sat on the mat, the cat sat on the mat, the cat sat on",
    "a b a b a b a b a b a b a b a b a b a b",
    "one: the cat sat on the mat\ntwo: the cat sat on the mat\nthree: the cat",
    "aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaa",
    'He said "no no no" and she said "no no',
    "nothing here comes twice",
)


@pytest.fixture(scope="module")
def vocab(smollm2: Path) -> Iterator[Any]:
    model: Any = load_vocabulary(smollm2)
    yield lib.llama_model_get_vocab(model)
    lib.llama_model_free(model)


def after(sampler: Any, logits: np.ndarray) -> dict[int, float]:
    """The logits of the tokens that a sampler of llama.cpp leaves."""
    data = (lib.llama_token_data * logits.size)()
    for token, logit in enumerate(logits.tolist()):
        data[token] = lib.llama_token_data(token, logit, 0.0)
    array = lib.llama_token_data_array(data, logits.size, -1, False)
    lib.llama_sampler_apply(sampler, ctypes.byref(array))
    return {array.data[i].id: array.data[i].logit for i in range(array.size)}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("dry", "breakers"),
    [
        (Dry(0.8), BREAKERS),
        (Dry(0.8, breakers=()), ()),
        (Dry(2.0, 1.1, 4, 16), BREAKERS),
        (Dry(1.0, 3.0, 1, 12, ("at, the",)), ("at, the",)),
        (Dry(1.0, 1.0, 2, 0), BREAKERS),
    ],
)
def test_dry_is_llama_cpps(vocab: Any, text: str, dry: Dry, breakers: tuple[str, ...]) -> None:
    tokens = cut(vocab, text.encode(), False, True)
    size = lib.llama_vocab_n_tokens(vocab)
    spelt = (ctypes.c_char_p * max(1, len(breakers)))(*(one.encode() for one in breakers))
    how = dry.multiplier, dry.base, dry.allowed, CONTEXT if dry.last_n < 0 else dry.last_n
    sampler = lib.llama_sampler_init_dry(vocab, *how, spelt, len(breakers))
    mine = Adjuster(Sampling(dry=dry), tokens[:3], lambda token: _piece(vocab, token))
    logits = np.zeros(size, np.float32)
    for token in tokens[:3]:
        lib.llama_sampler_accept(sampler, token)
    for token in tokens[3:30]:
        lib.llama_sampler_accept(sampler, token)
        mine.record(token)
        expected = after(sampler, logits)
        found = {int(i): float(v) for i, v in enumerate(mine.apply(logits)) if v}
        assert found == pytest.approx({i: v for i, v in expected.items() if v}, rel=1e-5)
    lib.llama_sampler_free(sampler)


def _piece(vocab: Any, token: int) -> bytes:
    buffer = ctypes.create_string_buffer(64)
    count = lib.llama_token_to_piece(vocab, token, buffer, 64, 0, False)
    return buffer.raw[:count]


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
