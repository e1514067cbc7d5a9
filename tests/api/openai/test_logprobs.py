"""Log-probabilities survive what JSON and UTF-8 cannot say."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.api.openai.answers import Offsets, chat_logprobs, text_logprobs
from edge_rt.core.decoding import TokenLogprob

pieces = st.lists(st.binary(max_size=5), max_size=8)
numbers = st.floats(max_value=0) | st.just(float("nan"))  # -inf: impossible; NaN: a broken model


@given(pieces, numbers)
def test_every_token_is_valid_json_with_its_bytes(tokens, logprob):
    given_tokens = [TokenLogprob(token, logprob, [(token, logprob)]) for token in tokens]
    encoded = msgspec.json.encode(chat_logprobs(given_tokens))
    content = msgspec.json.decode(encoded)["content"]
    assert [bytes(entry["bytes"]) for entry in content] == tokens
    assert all(isinstance(entry["logprob"], float | int) for entry in content)


@given(st.text(max_size=20), st.lists(st.integers(1, 4), min_size=20, max_size=40))
def test_offsets_point_at_the_character_that_a_token_begins(text, cuts):
    data = text.encode()
    tokens = []
    for cut in cuts:
        tokens.append(data[:cut])
        data = data[cut:]
    tokens.append(data)
    result = text_logprobs([TokenLogprob(token, -1.0) for token in tokens], Offsets())
    before = b""
    for token, offset in zip(tokens, result.text_offset, strict=True):
        assert offset == len(before.decode(errors="ignore"))
        before += token


def test_tokens_that_look_alike_stay_apart():
    both = [(b"\xe2", -1.0), (b"\xe3", -2.0)]
    result = text_logprobs([TokenLogprob(b"a", -0.5, both)], Offsets())
    assert len(result.top_logprobs[0]) == 3
