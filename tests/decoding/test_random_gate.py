"""The control: independent draws, of nothing but the seed and the place."""

from __future__ import annotations

import pytest
from gate_help import judged, runs, seen, share, stream, written

from edge_rt.decoding.make_gate import RandomGate

TOKENS = 4000


@pytest.mark.parametrize("asked", [0.0, 0.1, 0.4, 1.0])
def test_the_large_model_has_its_share(asked: float) -> None:
    writers = written(RandomGate(1.0 - asked, seed=3), stream(1, TOKENS))[1:]
    assert share(writers) == pytest.approx(asked, abs=4 * (asked * (1 - asked) / TOKENS) ** 0.5)


def test_runs_are_those_of_independent_draws() -> None:
    found = runs(written(RandomGate(0.8, seed=3), stream(1, TOKENS)))
    stays = [length for writer, length in found if writer == "large"]
    assert sum(stays) / len(stays) == pytest.approx(1 / 0.8, abs=0.1)


def test_entropy_does_not_matter_and_the_seed_does() -> None:
    writers = written(RandomGate(0.5, seed=9), stream(1, 60))
    assert writers == written(RandomGate(0.5, seed=9), stream(2, 60))
    assert writers != written(RandomGate(0.5, seed=10), stream(1, 60))


def test_judging_a_place_twice_says_the_same() -> None:
    gate = RandomGate(0.5, seed=4)
    for _ in range(30):
        assert judged(gate, "small", seen(1.0)).then == judged(gate, "large", seen(0.1)).then
        gate.took("small", b"x")
