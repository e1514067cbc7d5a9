"""What prompts took and what answers took adds up to what the passes took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.engine.scheduler.runner import EngineCounters

_ROWS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 64), st.booleans()), min_size=1, max_size=8
)


def test_a_pass_is_split_between_prompts_and_answers_by_rows() -> None:
    tally = EngineCounters()
    tally.passed(0.8, [(1, 1, True), (2, 6, False), (3, 1, True)])
    assert (tally.native_s, tally.read) == (0.8, 6)
    assert tally.read_s == pytest.approx(0.6)


def test_passes_with_layers_on_a_gpu_are_counted_and_what_the_gpu_has_of_them() -> None:
    tally = EngineCounters()
    tally.passed(1.0, [(1, 1, True)])
    assert (tally.gpu_s, tally.gpu_busy_s) == (0.0, 0.0)
    tally.passed(0.5, [(1, 1, True)], gpu_share=0.25)
    tally.took(0.5, 1.0)
    assert (tally.native_s, tally.gpu_s, tally.gpu_busy_s) == (2.0, 1.0, 0.625)


@given(st.lists(st.tuples(st.floats(0, 1), _ROWS), max_size=8))
def test_prompts_never_take_more_than_all(
    passes: list[tuple[float, list[tuple[int, int, bool]]]],
) -> None:
    tally = EngineCounters()
    for seconds, rows in passes:
        before = tally.read_s
        tally.passed(seconds, rows)
        assert before <= tally.read_s
    assert tally.native_s == pytest.approx(sum(seconds for seconds, _ in passes))
    assert tally.read_s <= tally.native_s + 1e-9
    assert tally.read == sum(n for _, rows in passes for _, n, decoding in rows if not decoding)
