"""Profiles that no board can have are told so, with the key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.config.board import Board, Fan, FanPoint, PowerMode, Rail, Thermal, Total, Trips
from edge_rt.config.boards import board_contradictions, feeders

S = ("own",)
NAMES = st.sampled_from("abcde")


def rails(**parents: str | None) -> dict[str, Rail]:
    return {name: Rail(source=S, part_of=parent) for name, parent in parents.items()}


def total(*names: str) -> Total:
    return Total(source=S, rails=names, covers="board")


def trips(throttle_c: float | None, hot_c: float | None, shutdown_c: float | None) -> Thermal:
    return Thermal(trips=Trips(source=S, throttle_c=throttle_c, hot_c=hot_c, shutdown_c=shutdown_c))


def fan(*temps_c: float) -> Thermal:
    return Thermal(fan=Fan(source=S, points=tuple(FanPoint(temp_c=t) for t in temps_c)))


def modes(*defaults: bool) -> dict[str, PowerMode]:
    return {f"m{i}": PowerMode(source=S, default=default) for i, default in enumerate(defaults)}


@pytest.mark.parametrize(
    ("board", "key"),
    [
        (Board(id="a", name="A", rails=rails(x="y")), ("rails", "x", "part_of")),
        (Board(id="a", name="A", rails=rails(x="x")), ("rails", "x", "part_of")),
        (Board(id="a", name="A", totals=(total("x"),)), ("totals", 0, "rails", 0)),
        (
            Board(id="a", name="A", rails=rails(x=None), totals=(total("x", "x"),)),
            ("totals", 0, "rails", 1),
        ),
        (
            Board(id="a", name="A", rails=rails(x=None, y="x", z="y"), totals=(total("z", "x"),)),
            ("totals", 0, "rails", 0),
        ),
        (Board(id="a", name="A", power_modes=modes(True, True)), ("power_modes", "m1", "default")),
        (Board(id="a", name="A", thermal=trips(90, 80, None)), ("thermal", "trips")),
        (Board(id="a", name="A", thermal=trips(90, None, 80)), ("thermal", "trips")),
        (Board(id="a", name="A", thermal=fan(50, 50)), ("thermal", "fan", "points")),
    ],
)
def test_the_key_at_fault_is_named(board: Board, key: tuple[str | int, ...]) -> None:
    assert [found for found, _ in board_contradictions(board)] == [key]


def test_what_is_possible_has_no_fault() -> None:
    board = Board(
        id="a",
        name="A",
        rails=rails(x=None, y="x", z=None),
        totals=(total("x"), total("y", "z")),
        power_modes=modes(False, True),
        thermal=trips(None, 80, 80),
    )
    assert list(board_contradictions(board)) == []


@given(st.dictionaries(NAMES, st.none() | NAMES), st.lists(NAMES, min_size=1))
def test_what_passes_counts_every_watt_once(
    parents: dict[str, str | None], counted: list[str]
) -> None:
    board = Board(id="a", name="A", rails=rails(**parents), totals=(total(*counted),))
    if not list(board_contradictions(board)):
        assert len(set(counted)) == len(counted)
        for label in counted:
            above = feeders(board.rails, label)
            assert label not in above
            assert not set(above) & set(counted)
