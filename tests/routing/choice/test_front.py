"""The front holds what nothing dominates, and domination is a strict order."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.choice.pareto import TIE, Figures, dominators

# Few different values, so that ties and equal figures are common.
VALUES = st.sampled_from((1.0, 1.01, 1.05, 2.0, 3.0, 10.0, math.inf))
SLACKS = st.sampled_from((TIE, 0.3, 1.0))


@st.composite
def some_figures(draw: st.DrawFn) -> Figures:
    seconds, energy_j = draw(VALUES), draw(VALUES)
    quality = draw(st.sampled_from((0.0, 0.4, 0.405, 0.7)))
    least_s, least_j = seconds / (1 + draw(SLACKS)), energy_j / (1 + draw(SLACKS))
    return Figures(seconds, energy_j, quality, least_s, least_j)


@given(some_figures())
def test_nothing_dominates_itself(one: Figures) -> None:
    assert not one.dominates(one)


@given(some_figures(), some_figures(), some_figures())
def test_domination_goes_on_over_a_third(one: Figures, two: Figures, three: Figures) -> None:
    if one.dominates(two) and two.dominates(three):
        assert one.dominates(three)
    assert not (one.dominates(two) and two.dominates(one))


@given(st.lists(some_figures(), max_size=12))
def test_the_front_is_what_nothing_dominates(found: list[Figures]) -> None:
    by = dominators(found)
    for place, figures in enumerate(found):
        assert (by[place] is None) == (not any(other.dominates(figures) for other in found))


@given(st.lists(some_figures(), max_size=12))
def test_whoever_dominates_is_on_the_front_itself(found: list[Figures]) -> None:
    by = dominators(found)
    for place, best in enumerate(by):
        if best is not None:
            assert by[best] is None
            assert found[best].dominates(found[place])


def test_a_difference_within_a_tie_dominates_nothing() -> None:
    one, two = (Figures(s, s, 0.5, s / (1 + TIE), s / (1 + TIE)) for s in (1.0, 1.015))
    assert not one.dominates(two)
