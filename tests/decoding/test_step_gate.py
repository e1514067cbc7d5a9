"""GlimpRouter's rule: a step's first token, seen by the small model, decides on the step."""

from __future__ import annotations

import numpy as np
import pytest
from gate_help import judged, seen, written

from edge_rt.decoding.distribution import LogitsView
from edge_rt.decoding.step_gate import StepGate

HARD, EASY = 2.0, 0.1


def test_the_first_token_of_each_step_decides_on_all_of_it() -> None:
    pieces = [b"a", b"b", b".\n\n", b"c", b"d", b"\n", b"\n", b"e", b"f\n\n\n", b"g", b"h"]
    nats = [EASY, HARD, HARD, HARD, EASY, EASY, EASY, EASY, HARD, HARD, EASY]
    writers = written(StepGate(1.0), nats, pieces)
    assert writers == ["small"] * 3 + ["large"] * 4 + ["small"] * 2 + ["large"] * 2


def test_the_first_step_counts_too() -> None:
    assert written(StepGate(1.0), [HARD, EASY, EASY], [b"a", b"b", b"c"]) == ["large"] * 3


def test_more_blank_lines_begin_no_other_step() -> None:
    pieces = [b"a\n\n", b"\n", b"\n", b"b"]
    assert written(StepGate(1.0), [EASY, HARD, EASY, EASY], pieces) == ["small", *["large"] * 3]


def test_the_measure_is_the_entropy_of_the_twenty_likeliest() -> None:
    logits = np.zeros(1000, np.float32)
    logits[:20] = 10.0
    gate = StepGate(1.0)
    judged(gate, "small", LogitsView(logits))
    assert gate.measure == pytest.approx(np.log(20.0))
    gate.took("small", b"a")
    judged(gate, "small", LogitsView(logits))
    assert gate.measure is None  # no glimpse within a step


def test_a_mixture_finds_the_border_of_easy_and_hard_steps() -> None:
    rng = np.random.default_rng(5)
    gate = StepGate(0.95, mixture=True)
    for centre in [0.2, 0.6] * 10:
        judged(gate, "small", seen(float(rng.normal(centre, 0.03))))
        gate.took("small", b"a.\n\n")
    assert 0.3 < gate.threshold < 0.5


def test_steps_of_one_kind_leave_the_threshold_alone() -> None:
    def threshold(seed: int) -> float:
        gate = StepGate(0.95, mixture=True)
        for value in np.random.default_rng(seed).normal(0.5, 0.1, 20):
            judged(gate, "small", seen(float(value)))
            gate.took("small", b"a.\n\n")
        return gate.threshold

    assert sum(threshold(seed) == 0.95 for seed in range(40)) >= 34  # chance makes groups too
