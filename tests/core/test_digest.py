"""Other parts have another digest, even where Python takes them for equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.core.cached import digest

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)


@given(VALUES)
def test_the_same_parts_have_the_same_digest(value: object) -> None:
    assert digest(value, 1) == digest(value, 1)
    assert len(digest(value)) == 32


@given(st.lists(VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_other_parts_have_another_digest(one: list[object], other: list[object]) -> None:
    assert (digest(*one) == digest(*other)) == (repr(one) == repr(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1,), (1.0,)),
        ((1,), (True,)),
        ((0.0,), (-0.0,)),
        (("",), (None,)),
        (("1",), (b"1",)),
        (("a", "b"), ("ab",)),
        ((["a"], ["b"]), (["a", "b"], [])),
        (({"a": 1, "b": 2},), ({"b": 2, "a": 1},)),
    ],
)
def test_what_looks_alike(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert digest(*one) != digest(*other)
