"""The large model writes the first tokens, whatever the gate."""

from __future__ import annotations

from evallib.gates import FixedGate
from gate_help import stream, written
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.decoding import GATES, Gating
from edge_rt.decoding.gate import Opening
from edge_rt.decoding.make_gate import make_gate

names = st.sampled_from([name for name in GATES if name != "entropy"])


@given(names, st.integers(1, 30), st.integers(0, 100))
def test_the_first_tokens_are_the_large_models(name: str, first: int, seed: int) -> None:
    writers = written(make_gate(Gating(name, first=first), seed), stream(seed, 40))
    assert writers[:first] == ["large"] * first


def test_then_the_gate_decides() -> None:
    writers = written(Opening(FixedGate("small"), 4), stream(1, 10))
    assert writers == ["large"] * 4 + ["small"] * 6


def test_a_step_begun_in_the_opening_is_the_large_models() -> None:
    gate = make_gate(Gating("step", threshold=1.0, first=2), 0)
    pieces = [b"a", b"b", b"c", b"d\n\n", b"e", b"f"]
    assert written(gate, [0.1] * 6, pieces) == ["large"] * 4 + ["small"] * 2


def test_a_small_model_that_is_at_it_is_sent_away() -> None:
    gate = Opening(FixedGate("small"), 2)
    gate.opens = "small"
    assert written(gate, stream(1, 4)) == ["large", "large", "small", "small"]
