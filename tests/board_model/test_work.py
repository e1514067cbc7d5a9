"""Work adds up however it is split, and grows with every token."""

from __future__ import annotations

from dataclasses import replace

import pytest
from calibrated import SMOL
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board_model.roofline import decode_work, prefill_work

TOKENS = st.integers(1, 4096)
HEADLESS = replace(SMOL, vocab=0)


@given(TOKENS, TOKENS)
def test_a_prompt_read_in_two_parts_is_the_same_computing(first: int, second: int) -> None:
    whole = prefill_work(HEADLESS, first + second)
    parts = prefill_work(HEADLESS, first), prefill_work(HEADLESS, second, cached=first)
    assert sum(part.flop for part in parts) == pytest.approx(whole.flop)


@given(TOKENS)
def test_one_more_token_of_a_prompt_is_one_of_an_answer(cached: int) -> None:
    read, drawn = prefill_work(SMOL, 1, cached), decode_work(SMOL, cached + 1)
    assert read.flop == pytest.approx(drawn.flop)
    assert read.bytes == pytest.approx(drawn.bytes, rel=0.01)


@given(TOKENS, st.integers(0, 4096))
def test_more_tokens_and_more_context_are_more_work(tokens: int, cached: int) -> None:
    here = prefill_work(SMOL, tokens, cached)
    for more in (prefill_work(SMOL, tokens + 1, cached), prefill_work(SMOL, tokens, cached + 1)):
        assert more.flop > here.flop
        assert more.bytes > here.bytes
    assert decode_work(SMOL, tokens + 1).flop > decode_work(SMOL, tokens).flop


def test_flop_are_two_a_parameter_and_the_attention() -> None:
    # By hand: 4 x 30 layers x 9 heads x 64 numbers for each token looked back at.
    assert decode_work(SMOL, 1000).flop == 2 * 134_515_008 + 69_120 * 1000
    # A prompt's logits are computed for its last token only: 49152 x 576 numbers are the output.
    body = 134_515_008 - 49_152 * 576
    assert prefill_work(SMOL, 10).flop == 2 * body * 10 + 2 * 49_152 * 576 + 69_120 * 55
    assert prefill_work(HEADLESS, 10).flop == 2 * 134_515_008 * 10 + 69_120 * 55


def test_long_prompts_read_the_weights_once_a_pass() -> None:
    one, two = prefill_work(SMOL, 512), prefill_work(SMOL, 513)
    assert two.bytes - one.bytes > SMOL.file_bytes
