"""What a profile and phases tell of power."""

from __future__ import annotations

from edge_rt.board_model.watts import Watts, board_watts
from edge_rt.config.board import Board, Draw, Figure


def test_joules_are_those_of_both_phases() -> None:
    assert Watts(3.0, 2.0, 1.0).added_j(1.0, 2.0) == 4.0


def test_no_phase_adds_less_than_nothing() -> None:
    assert Watts.of_totals(3.0, 2.9, 4.0) == Watts(3.0, 0.0, 1.0)


def test_a_profile_tells_watts_only_with_both_figures() -> None:
    idle, loaded = (Figure(value=v, source=("test",)) for v in (3.0, 11.0))
    full = Board(id="b", name="b", draw=Draw(idle_w=idle, loaded_w=loaded))
    assert board_watts(full) == Watts(3.0, 8.0, 8.0)
    assert board_watts(Board(id="b", name="b", draw=Draw(idle_w=idle))) is None
    assert board_watts(None) is None
