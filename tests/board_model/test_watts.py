"""What a profile and phases tell of power."""

from __future__ import annotations

import pytest

from edge_rt.board_model.watts import GPU_J, Watts, board_watts
from edge_rt.config.board import Board, Draw, Figure, Gpu, PowerMode


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


def test_a_gpu_draws_what_was_measured_in_the_mode_else_by_its_cycles() -> None:
    modes = {
        "LOW": PowerMode(gpu_hz=5e8, cuda_cores=100, source=("test",)),
        "MID": PowerMode(gpu_hz=5e8, drawn_w=20.0, decode_w=9.0, default=True, source=("test",)),
        "MAX": PowerMode(drawn_w=30.0, source=("test",)),
    }
    idle = Figure(value=5.0, source=("test",))
    gpu = Gpu(name="test", cuda_cores=1000, max_hz=1e9, source=("test",))
    board = Board(id="b", name="b", gpu=gpu, draw=Draw(idle_w=idle), power_modes=modes)

    def added_w(mode: str | None) -> float:
        found = board_watts(board, gpu=True, mode=mode)
        assert found is not None
        assert found.idle_w == 5.0
        assert found.prefill_w == found.decode_w
        return found.decode_w

    assert added_w("LOW") == pytest.approx(GPU_J * 100 * 5e8)
    assert added_w("MAX") == 25.0
    assert added_w("MODE_MID") == added_w("MID") == added_w(None) == 4.0
    assert added_w("OTHER") == 4.0  # as the default one
    assert board_watts(board) is None  # what its processor draws is not known
