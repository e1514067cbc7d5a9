"""The newest rows stay, the oldest go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.track import ReadingHistory

VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6))


@given(st.integers(1, 8), st.lists(st.tuples(VALUES, VALUES), max_size=30), st.integers(0, 30))
def test_a_column_is_the_tail_of_what_was_kept(
    capacity: int, rows: list[tuple[float | None, float | None]], since: int
) -> None:
    ring = ReadingHistory(2, capacity)
    for time_s, row in enumerate(rows):
        ring.append(float(time_s), row)
    kept = list(enumerate(rows))[-capacity:]
    for column in (0, 1):
        expected = [(float(t), row[column]) for t, row in kept if t >= since]
        assert ring.column(column, float(since)) == expected
