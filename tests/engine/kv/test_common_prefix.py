"""What two prompts begin with alike is found whatever they are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.engine.kv.prefix_files import common_prefix


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_common_prefix(a: list[int], b: list[int]) -> None:
    length = common_prefix(a, b)
    assert a[:length] == b[:length]
    assert length in (len(a), len(b)) or a[length] != b[length]


@given(st.lists(st.integers(0, 1), max_size=50), st.integers(0, 50))
def test_common_prefix_with_a_part_of_itself(a: list[int], cut: int) -> None:
    assert common_prefix(a, a[:cut]) == min(cut, len(a))


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_shared_beginnings_are_as_long_as_can_be(one: str, two: str) -> None:
    shared = common_prefix(one, two)
    assert one[:shared] == two[:shared]
    assert one[shared : shared + 1] != two[shared : shared + 1] or shared == len(one) == len(two)
