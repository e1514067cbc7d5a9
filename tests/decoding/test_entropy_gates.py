"""R-Stitch's rule, token by token."""

from __future__ import annotations

import math

import pytest
from gate_help import SURER, VOCAB, judged, seen, stream, written
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.gate import GateVerdict, Writer
from edge_rt.decoding.make_gate import TokenGate

LIMIT = 0.25  # of ln(VOCAB): 1.04 nats


@pytest.mark.parametrize(
    ("writer", "nats", "verdict"),
    [
        ("small", 1.0, GateVerdict(take=True, then="small")),
        ("small", 1.1, GateVerdict(take=False, then="large")),
        ("large", 1.1, GateVerdict(take=True, then="large")),
        ("large", 1.0, GateVerdict(take=True, then="small")),
    ],
)
def test_who_writes_this_token_and_the_next(
    writer: Writer, nats: float, verdict: GateVerdict
) -> None:
    gate = TokenGate(LIMIT)
    assert judged(gate, writer, seen(nats)) == verdict
    assert gate.measure == pytest.approx(nats / math.log(VOCAB), rel=0.01)


@given(st.integers(0, 1000), st.floats(0.0, 0.6))
def test_each_token_is_by_the_first_whose_entropy_allows_it(seed: int, threshold: float) -> None:
    nats = stream(seed, 40)
    before: Writer = "small"

    def relative(value: float) -> float:
        return seen(value).entropy / math.log(VOCAB)

    writers = written(TokenGate(threshold), nats)
    for writer, value in zip(writers, nats, strict=True):
        assert writer == ("large" if relative(value) > threshold else before)
        before = "large" if writer == "large" and relative(value * SURER) > threshold else "small"
