"""Seeds, and that what a request says wins over what the model wants."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.api.openai.fields import GenerationFields, sampling
from edge_rt.core.decoding import Sampling

BASE = Sampling(temperature=0.2, top_k=20, top_p=0.8, repeat_penalty=1.1, seed=None)


def drawn(**fields: object) -> Sampling:
    return sampling(msgspec.convert(fields, GenerationFields), BASE)


def test_a_silent_request_gets_the_models_defaults():
    assert drawn() == BASE


@given(
    st.floats(0, 2), st.floats(0, 1), st.integers(0, 1000), st.floats(0.01, 100), st.floats(-2, 2)
)
def test_what_is_said_wins_and_the_rest_stays(temperature, share, top_k, repeat, penalty):
    expected = msgspec.structs.replace(BASE, temperature=temperature, top_p=share)
    assert drawn(temperature=temperature, top_p=share) == expected
    expected = msgspec.structs.replace(BASE, top_k=top_k, repeat_penalty=repeat)
    assert drawn(top_k=top_k, repeat_penalty=repeat) == expected
    assert drawn(presence_penalty=penalty).presence_penalty == penalty


@given(st.integers(-(2**63), 2**63 - 1))
def test_seeds_are_unsigned_and_distinct(seed):
    if seed == -1:
        assert drawn(seed=seed).seed is None
    else:
        assert drawn(seed=seed).seed == seed % 2**64


@pytest.mark.parametrize("key", ["", "-1", "1.5", "a", "²", "12345678901"])
def test_logit_bias_keys_are_token_ids(key):
    with pytest.raises(ValueError, match="logit_bias"):
        drawn(logit_bias={key: 1})
