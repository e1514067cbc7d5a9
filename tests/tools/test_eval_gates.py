"""Gates to compare with: one model alone, and chance, which knows but the seed and the place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from evallib import gates
from evallib.gates import FixedGate, RandomGate
from gate_help import judged, runs, seen, share, stream, written

from edge_rt.core.decoding import Gating
from edge_rt.decoding.gate import Gate, Opening, ShareControl

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


def test_a_share_is_the_probability_whatever_would_move_the_threshold() -> None:
    gate = ShareControl(gates.random(Gating("random", share=0.3), 5), 0.3)
    assert written(gate, stream(1, 200)) == written(RandomGate(0.7, 5), stream(1, 200))


def test_chance_has_a_threshold_and_a_usual_one() -> None:
    assert gates.random(Gating("random", threshold=0.4), 5).threshold == 0.4
    assert gates.random(Gating("random"), 5).threshold == 0.8


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


@pytest.mark.parametrize("make", [gates.random, gates.never, gates.always])
def test_the_first_tokens_may_be_the_large_models(make: Callable[[Gating, int], Gate]) -> None:
    writers = written(Opening(make(Gating("any"), 3), 5), stream(2, 40))
    assert (writers[:5], len(writers)) == (["large"] * 5, 40)


def test_what_is_installed_is_found_and_else_is_not_there(tmp_path: Path) -> None:
    program = """
from edge_rt.decoding.make_gate import make_gate
from edge_rt.core.decoding import (Gating)
for name in ("random", "never", "always"):
    try:
        print(make_gate(Gating(name), 7).opens)
    except ValueError as error:
        print(error)
"""

    def said(path: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    assert said(gates.install(tmp_path)) == ["small", "small", "large"]
    assert "there is no gate 'random'; there are entropy, ead" in said("")[0]
