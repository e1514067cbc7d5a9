"""Time is set by the one ceiling that binds; every board has ceilings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchlib.boards import load_boards
from calibrated import SMOL
from msgspec import structs

from edge_rt.board_model.roofline import (
    Ceilings,
    GpuKernels,
    GpuSeconds,
    board_ceilings,
    reached,
    roofline,
)
from edge_rt.board_model.runtime import Runtime
from edge_rt.config.board import (
    Board,
    Compute,
    ComputeRates,
    Figure,
    Gpu,
    Memory,
    PowerMode,
    Unit,
)

BOARDS = load_boards()


def test_flop_are_two_a_parameter_and_the_attention() -> None:
    # A prompt's logits are computed for its last token only: 49152 x 576 numbers are the output.
    # By hand: 4 x 30 layers x 9 heads x 64 numbers for each token looked back at.
    found = roofline(SMOL, Ceilings(1.0, 1e30))
    assert found.step_s == 2 * 134_515_008
    assert found.token_s == 2 * (134_515_008 - 49_152 * 576)
    assert found.pair_s == 69_120
    assert roofline(replace(SMOL, vocab=0), Ceilings(1.0, 1e30)).token_s == 2 * 134_515_008


def test_answers_are_bound_by_memory_that_holds_weights_and_keys() -> None:
    found = roofline(SMOL, Ceilings(1e30, 1e9))
    assert found.step_s == pytest.approx(0.0984, rel=0.01)
    assert found.step_context_s == pytest.approx(2 * 30 * 3 * 64 * 1.53 / 1e9)
    assert found.prefill_s(512) == pytest.approx(found.step_s)


def test_what_a_timed_model_reached_tells_how_long_it_takes() -> None:
    ceilings = Ceilings(1e11, 1e9)
    other = replace(SMOL, parameters=3 * SMOL.parameters, file_bytes=2 * SMOL.file_bytes)
    found = reached(SMOL, roofline(SMOL, ceilings))
    assert found is not None
    assert found.flop_per_s == pytest.approx(1e11)
    assert roofline(other, found).step_s == pytest.approx(other.file_bytes / 1e9)


@pytest.mark.parametrize("timed", [Runtime(0.0, 0.1), Runtime(0.1, 0.0)])
def test_runs_that_tell_too_little_give_no_ceilings(timed: Runtime) -> None:
    assert reached(SMOL, timed) is None


def test_what_was_reached_counts_before_what_is_on_paper() -> None:
    paper = ComputeRates(int8=_figure(400e9), fp32=_figure(100e9))
    reached = ComputeRates(int8=_figure(90e9))
    assert _flop(Unit(peak_op_per_s=paper)) == 100e9
    assert _flop(Unit(peak_op_per_s=paper, reached_op_per_s=reached)) == 90e9
    assert _flop(Unit(reached_op_per_s=ComputeRates(fp64=_figure(30e9)))) == 60e9
    memory = Memory(bandwidth_bytes_per_s=_figure(10e9))
    assert board_ceilings(_board(memory=memory), 4).byte_per_s == 6e9
    memory = Memory(bandwidth_bytes_per_s=_figure(10e9), reached_bandwidth_bytes_per_s=_figure(9e9))
    assert board_ceilings(_board(memory=memory), 4).byte_per_s == 9e9


def test_a_gpu_has_ceilings_of_its_own() -> None:
    compute = Compute(
        cpu=Unit(peak_op_per_s=ComputeRates(int8=_figure(4e11))),
        gpu=Unit(peak_op_per_s=ComputeRates(fp16=_figure(1e13))),
    )
    board = _board(compute=compute)
    assert board_ceilings(board, 6).flop_per_s == 1e11
    assert board_ceilings(board, 6, gpu=True).flop_per_s == 4e12


def test_a_small_gpu_adds_unpacking_starts_and_drawing_to_the_memory() -> None:
    ceilings = Ceilings(1e30, 1e9)
    plain, gpu = (
        roofline(SMOL, ceilings, seconds)
        for seconds in (GpuSeconds(0, 0, 0, 0), GpuSeconds(1e-12, 1e-9, 1e-4, 1e-8))
    )
    added = 1e-12 * 134_515_008 + 30 * 1e-4 + 49_152 * 1e-8
    assert gpu.step_s == pytest.approx(plain.step_s + added)
    assert gpu.step_context_s == pytest.approx(2 * plain.step_context_s)


def test_a_power_mode_caps_cores_and_clocks() -> None:
    modes = {
        "LOW": PowerMode(cpu_hz=1e9, gpu_hz=5e8, cuda_cores=100, memory_hz=1e9, source=("test",)),
        "MAX": PowerMode(memory_hz=2e9, source=("test",)),
    }
    gpu = Gpu(name="test", cuda_cores=1000, max_hz=1e9, source=("test",))
    memory = Memory(bandwidth_bytes_per_s=_figure(10e9))
    board = structs.replace(_board(memory=memory), gpu=gpu, power_modes=modes)
    kernels = GpuKernels(0.5, 10.0, 20.0, 1e5, 40.0)
    assert kernels.seconds(board, "LOW") == GpuSeconds(2e-10, 4e-10, 1e-4, 4e-8)
    most = kernels.seconds(board, "MAX")
    assert most is not None
    assert most.weight == 1e-11
    assert kernels.seconds(_board()) is kernels.seconds(None) is None
    low, full = (
        board_ceilings(board, 4, gpu=True, mode=mode, of_bus=0.5).byte_per_s
        for mode in ("LOW", "MAX")
    )
    assert (low, full) == (2.5e9, 5e9)


def test_an_unknown_computer_has_ceilings_by_cores() -> None:
    one, four = board_ceilings(None, 1), board_ceilings(None, 4)
    assert 0 < one.flop_per_s == four.flop_per_s / 4
    assert one.byte_per_s < four.byte_per_s == board_ceilings(None, 64).byte_per_s


def test_what_was_published_of_a_raspberry_pi_5_is_near() -> None:
    # Llama 3.2 3B in 4 bits, 2.0 GB: 4.9 tokens a second (facts of the boards, S10).
    ceilings = board_ceilings(BOARDS["raspberry-pi-5"], 4)
    assert ceilings.byte_per_s / 2.0e9 == pytest.approx(4.9, rel=0.1)


def test_every_board_that_is_shipped_has_ceilings() -> None:
    for board in BOARDS.values():
        for gpu in (False, True):
            ceilings = board_ceilings(board, 4, gpu=gpu)
            assert 1e9 < ceilings.flop_per_s < 1e15, board.id
            assert 1e9 < ceilings.byte_per_s < 1e12, board.id


def _figure(value: float) -> Figure:
    return Figure(value=value, source=("test",))


def _board(compute: Compute | None = None, memory: Memory | None = None) -> Board:
    return Board(id="test", name="test", compute=compute or Compute(), memory=memory or Memory())


def _flop(cpu: Unit) -> float:
    return board_ceilings(_board(compute=Compute(cpu=cpu)), 4).flop_per_s
