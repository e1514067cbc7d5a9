"""Every row of a batch is in one pass, and each pass is one that the attention kernel takes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.backends.base import Batch
from edge_rt.backends.onnx.backend import OnnxPass, passes


def batch_of(*pieces: tuple[int, int]) -> Batch:
    """A batch of `count` rows of each sequence, in that order."""
    batch = Batch(256)
    for seq, count in pieces:
        batch.add(seq, 7, [0] * count, want=1)
    return batch


def told(one: OnnxPass) -> tuple[int, int, int, list[int]]:
    return one.first, one.count, one.length, one.rows.tolist()


def test_neighbours_decode_together() -> None:
    batch = batch_of((0, 1), (1, 1), (2, 1), (5, 1))
    assert [told(p) for p in passes(batch)] == [(0, 3, 1, [0, 1, 2]), (5, 1, 1, [3])]


def test_a_prompt_is_read_alone_and_parts_no_neighbours_that_have_slots_side_by_side() -> None:
    batch = batch_of((0, 1), (1, 3), (2, 1), (3, 1))
    assert [told(p) for p in passes(batch)] == [
        (1, 1, 3, [1, 2, 3]),
        (0, 1, 1, [0]),
        (2, 2, 1, [4, 5]),
    ]


def test_the_order_of_rows_does_not_matter() -> None:
    batch = batch_of((3, 1), (1, 1), (2, 1))
    assert [told(p) for p in passes(batch)] == [(1, 3, 1, [1, 2, 0])]


def test_an_empty_batch_is_no_pass() -> None:
    assert list(passes(batch_of())) == []


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 5), max_size=8))
def test_every_row_is_in_one_pass_with_those_of_its_sequence(pieces: dict[int, int]) -> None:
    batch = batch_of(*pieces.items())
    found = list(passes(batch))
    assert sorted(row for p in found for row in p.rows) == list(range(batch.size))
    for one in found:
        assert one.count == 1 or one.length == 1
        seqs = [one.first + slot for slot in range(one.count) for _ in range(one.length)]
        assert batch.seq[one.rows].tolist() == seqs
    alone = sorted(seq for seq, count in pieces.items() if count == 1)
    gaps = sum(b - a > 1 for a, b in pairwise(alone))
    several = sum(count > 1 for count in pieces.values())
    assert len(found) == several + (gaps + 1 if alone else 0)
