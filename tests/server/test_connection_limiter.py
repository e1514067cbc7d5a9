"""How many connections are let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.server.connection_limiter import RESERVED, ConnectionLimiter, ConnectionVerdict

MORE = 64  # that are told that there is no place


def test_one_client_has_half_of_the_places() -> None:
    limiter = ConnectionLimiter(10)
    assert [limiter.enter("a") for _ in range(6)] == [ConnectionVerdict.OPEN] * 5 + [
        ConnectionVerdict.FULL
    ]
    assert [limiter.enter("b") for _ in range(4)] == [ConnectionVerdict.OPEN] * 4
    assert limiter.enter("c") is ConnectionVerdict.FULL  # all ten are taken


def test_who_leaves_makes_room() -> None:
    limiter = ConnectionLimiter(2)
    assert limiter.enter("a") is ConnectionVerdict.OPEN
    assert limiter.enter("a") is ConnectionVerdict.FULL
    limiter.leave("a")
    limiter.leave("a")
    assert limiter.enter("a") is ConnectionVerdict.OPEN


def test_those_who_are_told_that_it_is_full_are_bounded_too() -> None:
    limiter = ConnectionLimiter(2)
    entered = [limiter.enter("a") for _ in range(MORE + 3)]
    assert (
        entered
        == [ConnectionVerdict.OPEN]
        + [ConnectionVerdict.FULL] * (MORE)
        + [ConnectionVerdict.SHUT] * 2
    )


def test_few_files_make_few_places() -> None:
    assert ConnectionLimiter(512, files=10_000).most == 512
    few = ConnectionLimiter(512, files=RESERVED + 40)
    entered = [few.enter(who) for who in range(100)]
    assert entered.count(ConnectionVerdict.OPEN) == few.most
    assert len([verdict for verdict in entered if verdict is not ConnectionVerdict.SHUT]) <= 40
    assert ConnectionLimiter(512, files=16).most >= 2


def test_a_program_that_comes_too_often_leaves_room_for_others_of_its_user() -> None:
    now_s = 0.0
    limiter = ConnectionLimiter(100, clock=lambda: now_s, per_program_s=1.0, per_client_s=3.0)
    assert [limiter.enter("a", 1) for _ in range(3)] == [
        ConnectionVerdict.OPEN,
        ConnectionVerdict.OPEN,
        ConnectionVerdict.OFTEN,
    ]
    assert [limiter.enter("a", program) for program in (2, 3, 4, 5, 6)] == [
        ConnectionVerdict.OPEN
    ] * 4 + [ConnectionVerdict.OFTEN]
    assert limiter.enter("b", 7) is ConnectionVerdict.OPEN
    now_s = 1.0
    assert limiter.enter("a", 1) is ConnectionVerdict.OPEN


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_the_bounds_hold_whoever_comes_and_goes(moves) -> None:
    limiter, inside = ConnectionLimiter(6, per_client_s=1e6), []
    for who, comes in moves:
        if comes:
            verdict = limiter.enter(who)
            if verdict is not ConnectionVerdict.SHUT:
                inside.append((who, verdict))
        elif any(one == who for one, _ in inside):
            inside.remove(next(entry for entry in inside if entry[0] == who))
            limiter.leave(who)
        served = [one for one, verdict in inside if verdict is ConnectionVerdict.OPEN]
        assert len(served) <= 6
        assert all(served.count(one) <= 3 for one in "abc")


def test_only_who_must_be_refused_again_and_again_floods() -> None:
    now_s = 0.0
    limiter = ConnectionLimiter(
        100, clock=lambda: now_s, per_program_s=1.0, per_client_s=1.0, refused_s=2.0
    )
    assert [limiter.enter("a", 1) for _ in range(8)] == [
        *[ConnectionVerdict.OPEN] * 2,
        *[ConnectionVerdict.OFTEN] * 4,
        *[ConnectionVerdict.FLOOD] * 2,
    ]
    assert limiter.enter("b", 2) is ConnectionVerdict.OPEN
    now_s = 10.0
    assert limiter.enter("a", 1) is ConnectionVerdict.OPEN
