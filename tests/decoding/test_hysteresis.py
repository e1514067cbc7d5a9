"""The large model comes at once and goes when its own average is low."""

from __future__ import annotations

import pytest
from gate_help import SURER, runs, seen, stream, written
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.make_gate import HysteresisGate


def test_one_hard_token_calls_and_a_calm_window_releases() -> None:
    nats = [0.1, 2.0, 0.1, 0.1, 0.1, 0.1, 0.1]
    writers = written(HysteresisGate(1.5, window=3), nats)
    assert writers == ["small", "large", "large", "large", "small", "small", "small"]


def test_it_stays_while_the_average_is_above_half_the_threshold() -> None:
    nats = [2.0, *([1.2] * 5), *([0.1] * 4)]
    writers = written(HysteresisGate(1.5, window=2), nats)
    assert writers == ["large"] * 7 + ["small"] * 3  # 1.2 * 0.8 is under 1.5, not under 0.75


@pytest.mark.parametrize("window", [1, 5])
@given(st.integers(0, 1000), st.floats(0.05, 3.0))
def test_hard_tokens_are_the_large_models_and_its_stays_are_not_short(
    window: int, seed: int, threshold: float
) -> None:
    nats = stream(seed, 80)
    writers = written(HysteresisGate(threshold, window), nats)
    for writer, value in zip(writers, nats, strict=True):
        assert writer == "large" or seen(value).entropy <= threshold
    assert all(n >= window for writer, n in runs(writers)[:-1] if writer == "large")


def test_each_stay_has_an_average_of_its_own() -> None:
    nats = [3.0, 0.1, 0.1, 0.1, 3.0, 0.1, 0.1]
    writers = written(HysteresisGate(1.0, window=2), nats)
    assert writers == ["large", "large", "large", "small", "large", "large", "large"]
    assert (3.0 + 0.1) / 2 * SURER > 0.5  # so that neither stay ends with its second token
