"""A share asked for is reached, by every gate, on every kind of text."""

from __future__ import annotations

import pytest
from evallib.gates import FixedGate
from gate_help import share, stream, written
from hypothesis import given, settings
from hypothesis import strategies as st
from token_gate import TokenGate

from edge_rt.core.decoding import Gating
from edge_rt.decoding.gate import Gate, Opening, ShareControl
from edge_rt.decoding.make_gate import make_gate

shares = st.sampled_from([0.1, 0.2, 0.3, 0.4])
scales = st.sampled_from([0.02, 0.3, 1.0])  # of entropies, in nats: code, maths, prose
clusterings = st.sampled_from([0.0, 0.5, 0.8])


def ead(asked: float) -> Gate:
    return make_gate(Gating("ead", share=asked), 0)


@pytest.mark.parametrize(("name", "soon"), [("ead", 0.3), ("token", 0.18)])
@settings(max_examples=40, derandomize=True)
@given(shares, scales, clusterings, st.integers(0, 1000))
def test_the_share_is_there_within_a_hundred_tokens_and_stays(
    name: str, soon: float, asked: float, scale: float, clustering: float, seed: int
) -> None:
    """EAD's dwell makes each switch cost ten tokens, so its share comes in tenths of a hundred."""
    gate = ShareControl(TokenGate(0.084), asked) if name == "token" else ead(asked)
    nats = stream(seed, 400, clustering=clustering, scale=scale)
    writers = written(gate, nats)
    assert share(writers[:100]) == pytest.approx(asked, abs=soon)
    assert share(writers) == pytest.approx(asked, abs=0.08)
    for begin in range(100, 300, 50):
        assert share(writers[begin : begin + 100]) == pytest.approx(asked, abs=0.35)


@settings(max_examples=40, derandomize=True)
@given(shares, scales, st.integers(0, 1000))
def test_steps_reach_their_share_of_the_tokens(asked: float, scale: float, seed: int) -> None:
    """A step is decided on at once, so that it takes as many steps as tokens elsewhere."""
    gate = make_gate(Gating("step", share=asked), 0)
    pieces = [b"x.\n\n" if at % 20 == 19 else b"x" for at in range(2000)]
    writers = written(gate, stream(seed, 2000, scale=scale), pieces)
    assert share(writers) == pytest.approx(asked, abs=0.08)


def test_a_share_counts_the_opening() -> None:
    gate = Opening(ShareControl(TokenGate(0.084), 0.3), 20)
    writers = written(gate, stream(8, 300))
    assert writers[:20] == ["large"] * 20
    assert share(writers) == pytest.approx(0.3, abs=0.05)


def test_hard_tokens_are_the_ones_that_the_large_model_gets() -> None:
    nats = stream(9, 400)
    writers = written(ShareControl(TokenGate(0.084), 0.2), nats)
    hardest = sorted(range(400), key=lambda at: -nats[at])[:40]
    assert sum(writers[at] == "large" for at in hardest) > 34


def test_a_change_of_text_is_followed() -> None:
    nats = [*stream(1, 300, scale=0.02), *stream(2, 300, scale=1.0)]
    writers = written(ShareControl(TokenGate(0.084), 0.25), nats)
    assert share(writers[400:]) == pytest.approx(0.25, abs=0.08)
    assert share(writers) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("asked", [0.0, 1.0])
def test_none_and_all_are_shares_too(asked: float) -> None:
    writers = written(ShareControl(TokenGate(0.084), asked), stream(3, 300))
    assert share(writers) == pytest.approx(asked, abs=0.08)


def test_the_threshold_is_bounded_by_what_was_seen_and_no_debt_is_kept_for_ever() -> None:
    gate = ShareControl(TokenGate(0.084), 0.2)
    written(gate, [0.001] * 500)  # as good as certain: nothing can be told apart
    assert 0.0 <= gate.threshold <= 0.084 * 4
    writers = written(gate, stream(4, 300))
    assert share(writers[:100]) < 1.0
    assert share(writers[150:]) == pytest.approx(0.2, abs=0.1)


def test_a_gate_that_holds_nothing_against_its_threshold_is_left_alone() -> None:
    assert set(written(ShareControl(FixedGate("small"), 0.5), stream(1, 50))) == {"small"}
