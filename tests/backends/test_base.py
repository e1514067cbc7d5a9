"""A batch is rows side by side."""

from __future__ import annotations

import pytest

from edge_rt.backends.base import Batch


def rows(batch: Batch) -> list[tuple[int, int, int, int]]:
    columns = (batch.seq, batch.pos, batch.token, batch.want)
    return [tuple(int(column[i]) for column in columns) for i in range(batch.size)]


def test_rows_are_appended() -> None:
    batch = Batch(6)
    assert batch.add(2, 10, [7, 8, 9], want=1) == 2
    assert batch.add(0, 0, [5], want=0) == 3
    assert batch.size == 4
    assert rows(batch) == [(2, 10, 7, 0), (2, 11, 8, 0), (2, 12, 9, 1), (0, 0, 5, 0)]


def test_the_last_rows_may_all_be_wanted() -> None:
    batch = Batch(9)
    assert batch.add(0, 4, [7, 8, 9], want=2) == 2
    assert batch.add(1, 0, [5, 6], want=2) == 4
    assert [want for *_, want in rows(batch)] == [0, 1, 1, 1, 1]


def test_a_cleared_batch_remembers_nothing() -> None:
    batch = Batch(3)
    batch.add(1, 5, [7, 8, 9], want=1)
    batch.clear()
    assert batch.size == 0
    batch.add(0, 0, [1, 2, 3], want=0)
    assert rows(batch) == [(0, 0, 1, 0), (0, 1, 2, 0), (0, 2, 3, 0)]


def test_more_than_fits_is_an_error() -> None:
    batch = Batch(2)
    with pytest.raises(ValueError, match="shape"):
        batch.add(0, 0, [1, 2, 3], want=1)
