"""Memory keeps its bound, and what was used last."""

from __future__ import annotations

from cache_help import kept, key
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.generation.cache.tables import Recent

NUMBERS = st.integers(0, 9)


@given(st.lists(st.tuples(st.sampled_from(["put", "get"]), NUMBERS)), st.integers(0, 60_000))
def test_as_a_list_that_is_searched(steps: list[tuple[str, int]], bound: int) -> None:
    recent = Recent(bound)
    model: list[int] = []  # numbers, the one used last at the end
    for what, number in steps:
        if what == "get":
            assert (recent.get(key(number)) is not None) == (number in model)
        else:
            recent.put(kept(number))
        if what == "put" or number in model:
            model = [other for other in model if other != number] + [number]
        while sum(kept(other).size for other in model) > bound:
            model.pop(0)
    assert [number for number in range(10) if recent.get(key(number))] == sorted(model)


def test_some_are_forgotten() -> None:
    recent = Recent(1 << 20)
    for number in range(4):
        recent.put(kept(number, model="ab"[number % 2]))
    recent.drop(lambda one: one.model == "a")
    assert [number for number in range(4) if recent.get(key(number))] == [1, 3]
