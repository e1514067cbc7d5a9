"""EAD: a mean over a window, one threshold both ways, a dwell between switches."""

from __future__ import annotations

import math

import pytest
from gate_help import judged, runs, seen, stream, written
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.make_gate import EadGate


def test_the_measure_is_the_mean_of_the_last_tokens_in_bits() -> None:
    gate = EadGate(100.0, window=3, dwell=0)
    nats = [0.2, 1.0, 0.4, 2.0, 0.6]
    for end, value in enumerate(nats, 1):
        judged(gate, "small", seen(value))
        last = nats[max(end - 3, 0) : end]
        assert gate.measure == pytest.approx(sum(last) / len(last) / math.log(2.0), rel=0.01)


@given(st.integers(0, 1000), st.integers(0, 15), st.integers(1, 6), st.floats(0.0, 2.0))
def test_switches_keep_their_distance(seed: int, dwell: int, window: int, bits: float) -> None:
    found = runs(written(EadGate(bits, window, dwell), stream(seed, 120)))
    assert all(length >= dwell for _, length in found[1:-1])


def test_a_switch_comes_after_the_token_that_shows_the_need() -> None:
    writers = written(EadGate(1.0, window=1, dwell=0), [0.1, 2.0, 2.0, 0.1, 0.1])
    assert writers == ["small", "small", "large", "large", "small"]


def test_nothing_is_ever_discarded() -> None:
    gate = EadGate(0.0, window=5, dwell=0)
    assert all(judged(gate, "small", seen(value)).take for value in stream(3, 20))


def test_a_hand_over_that_comes_late_counts_from_when_it_comes() -> None:
    """Where vocabularies differ the small model writes on to the end of a word."""
    gate = EadGate(1.0, window=1, dwell=3)
    for _ in range(4):
        assert judged(gate, "small", seen(3.0)).then == "large"
        gate.took("small", b"x")
    said = []
    for _ in range(3):
        said.append(judged(gate, "large", seen(0.1)).then)
        gate.took("large", b"x")
    assert said == ["large", "large", "small"]
