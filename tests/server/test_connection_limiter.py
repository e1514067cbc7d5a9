"""How many connections are let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.server.connection_limiter import RESERVED, ConnectionLimiter, Door

MORE = 64  # that are told that there is no place


def test_one_client_has_half_of_the_places() -> None:
    doors = ConnectionLimiter(10)
    assert [doors.enter("a") for _ in range(6)] == [Door.OPEN] * 5 + [Door.FULL]
    assert [doors.enter("b") for _ in range(4)] == [Door.OPEN] * 4
    assert doors.enter("c") is Door.FULL  # all ten are taken


def test_who_leaves_makes_room() -> None:
    doors = ConnectionLimiter(2)
    assert doors.enter("a") is Door.OPEN
    assert doors.enter("a") is Door.FULL
    doors.leave("a")
    doors.leave("a")
    assert doors.enter("a") is Door.OPEN


def test_those_who_are_told_that_it_is_full_are_bounded_too() -> None:
    doors = ConnectionLimiter(2)
    entered = [doors.enter("a") for _ in range(MORE + 3)]
    assert entered == [Door.OPEN] + [Door.FULL] * (MORE) + [Door.SHUT] * 2


def test_few_files_make_few_places() -> None:
    assert ConnectionLimiter(512, files=10_000).most == 512
    few = ConnectionLimiter(512, files=RESERVED + 40)
    entered = [few.enter(who) for who in range(100)]
    assert entered.count(Door.OPEN) == few.most
    assert len([door for door in entered if door is not Door.SHUT]) <= 40
    assert ConnectionLimiter(512, files=16).most >= 2


def test_a_program_that_comes_too_often_leaves_room_for_others_of_its_user() -> None:
    now_s = 0.0
    doors = ConnectionLimiter(100, clock=lambda: now_s, per_program_s=1.0, per_client_s=3.0)
    assert [doors.enter("a", 1) for _ in range(3)] == [Door.OPEN, Door.OPEN, Door.OFTEN]
    assert [doors.enter("a", program) for program in (2, 3, 4, 5, 6)] == [Door.OPEN] * 4 + [
        Door.OFTEN
    ]
    assert doors.enter("b", 7) is Door.OPEN
    now_s = 1.0
    assert doors.enter("a", 1) is Door.OPEN


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_the_bounds_hold_whoever_comes_and_goes(moves) -> None:
    doors, inside = ConnectionLimiter(6, per_client_s=1e6), []
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
