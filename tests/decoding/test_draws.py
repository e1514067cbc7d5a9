"""Draws are pure functions of seed and position, uniform, and differ between forks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.draws import fork_seed, uniform

seeds = st.integers(min_value=-(2**70), max_value=2**70)


@given(seeds, st.integers(min_value=0, max_value=2**40))
def test_a_draw_lies_in_the_unit_interval_and_repeats(seed: int, position: int) -> None:
    u = uniform(seed, position)
    assert 0.0 <= u < 1.0
    assert uniform(seed, position) == u
    assert uniform(seed + 2**64, position) == u


@given(seeds)
def test_answer_zero_keeps_the_seed(seed: int) -> None:
    assert fork_seed(seed, 0) == seed


def test_draws_are_spread_evenly() -> None:
    """Chi-square over 64 cells along positions, along seeds, and over pairs of neighbours."""
    along_positions = [uniform(7, k) for k in range(20_000)]
    along_seeds = [uniform(s, 0) for s in range(20_000)]
    along_forks = [uniform(fork_seed(7, i), 3) for i in range(20_000)]
    pairs = [
        int(a * 8) * 8 + int(b * 8)
        for a, b in zip(along_positions[::2], along_positions[1::2], strict=True)
    ]
    for cells in (
        np.array(along_positions) * 64,
        np.array(along_seeds) * 64,
        np.array(along_forks) * 64,
        np.array(pairs),
    ):
        seen = np.bincount(cells.astype(int), minlength=64)
        expected = seen.sum() / 64
        assert ((seen - expected) ** 2 / expected).sum() < 112  # p = 0.0001 at 63 degrees


def test_streams_of_neighbouring_seeds_and_forks_share_no_draw() -> None:
    streams = [fork_seed(seed, index) for seed in range(20) for index in range(20)]
    draws = {uniform(seed, k) for seed in streams for k in range(50)}
    # Fork 0 of seed s is seed s itself, so all 400 streams are distinct.
    assert len(draws) == 400 * 50
