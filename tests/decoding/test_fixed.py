"""Gates that never switch."""

from __future__ import annotations

from gate_help import stream, written

from edge_rt.decoding.make_gate import FixedGate


def test_one_model_writes_everything_and_the_other_is_never_needed() -> None:
    nats = stream(1, 50)
    assert set(written(FixedGate("small"), nats)) == {"small"}
    assert set(written(FixedGate("large"), nats)) == {"large"}
    assert (FixedGate("small").opens, FixedGate("large").opens) == ("small", "large")


def test_whoever_is_at_it_hands_over_to_the_one() -> None:
    nats = stream(1, 5)
    never, always = FixedGate("small"), FixedGate("large")
    never.opens, always.opens = "large", "small"
    assert written(never, nats)[1:] == written(FixedGate("large"), nats)[1:]
    assert written(always, nats)[1:] == written(FixedGate("small"), nats)[1:]
