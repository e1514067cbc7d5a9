"""Gates by name, and what cannot be set is refused by its name."""

from __future__ import annotations

import pytest
from gate_help import stream, written

from edge_rt.core.decoding import GATES, Gating
from edge_rt.core.errors import RequestError
from edge_rt.decoding.make_gate import make_gate


@pytest.mark.parametrize("name", [name for name in GATES if name != "entropy"])
def test_every_gate_can_be_made_and_writes_an_answer(name: str) -> None:
    assert len(written(make_gate(Gating(name), 7), stream(1, 60))) == 60


@pytest.mark.parametrize("name", ["ead", "step"])
def test_a_higher_threshold_leaves_more_to_the_small_model(name: str) -> None:
    nats = stream(2, 200)
    pieces = [b"x.\n\n" if at % 7 == 6 else b"x" for at in range(200)]
    shares = [
        written(make_gate(Gating(name, threshold=threshold), 0), nats, pieces).count("large")
        for threshold in (0.0, 0.1, 0.4, 5.0)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 150
    assert shares[-1] == 0


def test_window_and_dwell_are_passed_on() -> None:
    def answer(**how: int) -> list[str]:
        return list(written(make_gate(Gating("ead", **how), 0), stream(4, 100)))

    assert answer(window=1) != answer(window=5)
    assert answer(dwell=0) != answer(dwell=20)


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(RequestError, match="no gate 'chance'; there are entropy, ead") as caught:
        make_gate(Gating("chance"), 0)
    assert caught.value.param == "edge.mode"


def test_the_entropy_gate_does_not_decide_token_by_token() -> None:
    with pytest.raises(RequestError, match="token by token"):
        make_gate(Gating("entropy"), 0)
