"""An archive holds what nothing dominates, and not more than it may."""

from __future__ import annotations

from benchlib.annealing import Archive
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.routing.placement import Placement, PlacementCost

VALUES = st.integers(0, 12).map(float)
PLACEMENTS = st.builds(
    lambda joules, seconds, state: Placement(PlacementCost(joules, seconds), (state,)),
    VALUES,
    VALUES,
    st.integers(0, 5),
)
FOUND = st.lists(PLACEMENTS, max_size=40)


def filled(found: list[Placement], most: int = 1000) -> Archive:
    archive = Archive(most)
    for placement in found:
        archive.add(placement)
    return archive


@given(FOUND)
def test_it_holds_the_front_of_all_it_was_given(found: list[Placement]) -> None:
    front = {p.cost for p in found if not any(other.dominates(p) for other in found)}
    kept = filled(found).front
    assert {p.cost for p in kept} == front
    assert len(kept) == len(front)
    assert kept == sorted(kept)


@given(FOUND, PLACEMENTS)
def test_it_knows_what_dominates(found: list[Placement], one: Placement) -> None:
    archive = filled(found)
    assert sorted(archive.dominating(one)) == [p for p in archive.front if p.dominates(one)]


@given(FOUND, st.integers(2, 6))
def test_it_is_bounded_and_keeps_its_ends(found: list[Placement], most: int) -> None:
    bounded, all_ = filled(found, most).front, filled(found).front
    assert len(bounded) <= most
    assert len(bounded) >= min(1, len(all_))
    if all_:
        assert bounded[0].cost == all_[0].cost
        assert bounded[-1].cost == all_[-1].cost
