"""The border between two groups of values, where there are two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.decoding.step_gate import border


@given(
    st.integers(0, 10_000),
    st.integers(6, 60),
    st.integers(6, 60),
    st.floats(0.1, 10.0),
    st.floats(-3.0, 3.0),
)
def test_two_groups_that_are_well_apart_are_told_apart(
    seed: int, low: int, high: int, scale: float, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    easy = rng.normal(0.0, 0.1, low) * scale + shift
    hard = rng.normal(2.0, 0.2, high) * scale + shift
    found = border([*easy, *hard])
    assert found is not None
    assert easy.max() < found < hard.min()


def test_where_groups_overlap_both_are_equally_likely_at_the_border() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0.0, 1.0, 4000), rng.normal(4.0, 1.0, 4000)])
    assert border(values.tolist()) == pytest.approx(2.0, abs=0.15)


def test_one_group_hardly_ever_has_a_border() -> None:
    groups = (np.random.default_rng(seed).normal(0.5, 0.1, 100) for seed in range(200))
    assert sum(border(group.tolist()) is not None for group in groups) <= 8


@pytest.mark.parametrize("values", [[], [0.5], [0.1, 0.1, 3.0], [0.4] * 20])
def test_too_few_or_equal_values_have_none(values: list[float]) -> None:
    assert border(values) is None
