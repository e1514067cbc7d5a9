"""How many connections are let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.daemon.doors import Door, Doors

MORE = 64  # that are told that there is no place


def test_one_client_has_half_of_the_places() -> None:
    doors = Doors(10)
    assert [doors.enter("a") for _ in range(6)] == [Door.OPEN] * 5 + [Door.FULL]
    assert [doors.enter("b") for _ in range(4)] == [Door.OPEN] * 4
    assert doors.enter("c") is Door.FULL  # all ten are taken


def test_who_leaves_makes_room() -> None:
    doors = Doors(2)
    assert doors.enter("a") is Door.OPEN
    assert doors.enter("a") is Door.FULL
    doors.leave("a")
    doors.leave("a")
    assert doors.enter("a") is Door.OPEN


def test_those_who_are_told_that_it_is_full_are_bounded_too() -> None:
    doors = Doors(2)
    entered = [doors.enter("a") for _ in range(MORE + 3)]
    assert entered == [Door.OPEN] + [Door.FULL] * (MORE) + [Door.SHUT] * 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_the_bounds_hold_whoever_comes_and_goes(moves) -> None:
    doors, inside = Doors(6), []
    for who, comes in moves:
        if comes:
            door = doors.enter(who)
            if door is not Door.SHUT:
                inside.append((who, door))
        elif any(one == who for one, _ in inside):
            inside.remove(next(entry for entry in inside if entry[0] == who))
            doors.leave(who)
        served = [one for one, door in inside if door is Door.OPEN]
        assert len(served) <= 6
        assert all(served.count(one) <= 3 for one in "abc")
