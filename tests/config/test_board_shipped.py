"""The profiles that come with edge_rt: complete, sourced, and true to their own arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from benchlib.boards import load_boards

from edge_rt.config import board_files
from edge_rt.config.board import Board, Rail, Sourced
from edge_rt.config.boards import SHIPPED, feeders

BOARDS = load_boards()
EACH = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
FLOP_PER_CYCLE = {
    "cortex-a57": 8,
    "cortex-a72": 8,
    "cortex-a76": 16,
    "cortex-a78ae": 16,
    "neoverse-v3ae": 32,
}


def records(value: object) -> Iterator[object]:
    """`value` and everything in it."""
    yield value
    if isinstance(value, msgspec.Struct):
        inner = [getattr(value, field.name) for field in msgspec.structs.fields(value)]
    elif isinstance(value, dict):
        inner = list(value.values())
    else:
        inner = list(value) if isinstance(value, tuple) else []
    for each in inner:
        yield from records(each)


SOURCES = set(yaml.safe_load((SHIPPED / board_files.SOURCES).read_text()))


def test_they_lie_beside_the_package_in_a_checkout_and_in_it_when_installed() -> None:
    assert SHIPPED.name == "boards"
    assert (SHIPPED / "sources.yaml").is_file()


def test_the_boards_that_are_promised_are_there() -> None:
    assert set(BOARDS) == {
        *("jetson-orin-nano-8gb", "jetson-orin-nano-super-8gb"),
        *("jetson-orin-nx-16gb", "jetson-orin-nx-super-16gb", "jetson-agx-orin-64gb"),
        *("jetson-xavier-nx", "jetson-agx-xavier", "jetson-nano-4gb", "jetson-thor-t5000"),
        *("raspberry-pi-4b", "raspberry-pi-5", "generic-x86", "generic-arm64"),
    }


@EACH
def test_every_figure_has_a_source_that_is_explained(board: Board) -> None:
    known = SOURCES
    for record in records(board):
        if isinstance(record, Sourced):
            assert set(record.source) <= known
        elif isinstance(record, msgspec.Struct):
            own = [getattr(record, field.name) for field in msgspec.structs.fields(record)]
            sourced_by_fan = {"FanPoint"}  # a fan has one source for all its points
            assert type(record).__name__ in sourced_by_fan or not any(
                isinstance(value, (int, float)) and not isinstance(value, bool) for value in own
            )


def test_every_source_is_used_or_for_users() -> None:
    used = {
        source
        for record in records(BOARDS)
        if isinstance(record, Sourced)
        for source in record.source
    }
    notes = {str(record.note) for record in records(BOARDS) if isinstance(record, Sourced)}
    unused = SOURCES - used - {"own"}
    assert [source for source in unused if not any(source in note for note in notes)] == []


@EACH
def test_a_total_counts_no_rail_twice(board: Board) -> None:
    for total in board.totals:
        assert len(set(total.rails)) == len(total.rails)
        for label in total.rails:
            assert not set(feeders(board.rails, label)) & set(total.rails)


@EACH
def test_parts_of_a_rail_have_one_that_feeds_them_all(board: Board) -> None:
    for label, rail in board.rails.items():
        if rail.part_of is not None:
            top = feeders(board.rails, label)[-1]
            assert board.rails[top].part_of is None
            assert any(top in total.rails for total in board.totals)


@EACH
def test_the_cpus_peak_is_cores_times_clock_times_width(board: Board) -> None:
    if peak := board.compute.cpu.peak_op_per_s.fp32:
        [(core, cluster)] = board.clusters.items()
        assert cluster.max_hz is not None
        derived = cluster.cores * cluster.max_hz * FLOP_PER_CYCLE[core]
        assert peak.value == pytest.approx(derived, rel=0.005)


@EACH
def test_the_gpus_peak_is_cores_times_clock_times_four(board: Board) -> None:
    if peak := board.compute.gpu.peak_op_per_s.fp16:
        assert board.gpu is not None
        assert board.gpu.cuda_cores is not None
        assert board.gpu.max_hz is not None
        assert peak.value == pytest.approx(4 * board.gpu.cuda_cores * board.gpu.max_hz, rel=0.005)


@EACH
def test_nothing_is_reached_beyond_its_peak(board: Board) -> None:
    for unit in (board.compute.cpu, board.compute.gpu, board.compute.module):
        for number in msgspec.structs.fields(type(unit.peak_op_per_s)):
            peak = getattr(unit.peak_op_per_s, number.name)
            reached = getattr(unit.reached_op_per_s, number.name)
            assert peak is None or reached is None or reached.value <= peak.value
    paper, reached = (
        board.memory.bandwidth_bytes_per_s,
        board.memory.reached_bandwidth_bytes_per_s,
    )
    assert paper is None or reached is None or reached.value <= paper.value


@EACH
def test_a_mode_stays_within_the_board(board: Board) -> None:
    cores = sum(cluster.cores for cluster in board.clusters.values())
    clock_hz = max((cluster.max_hz or 0 for cluster in board.clusters.values()), default=0)
    for mode in board.power_modes.values():
        assert (mode.cores or 0) <= cores
        assert (mode.cpu_hz or 0) <= clock_hz * 1.01  # clocks are stated in round gigahertz


@EACH
def test_i2c_channels_are_given_once(board: Board) -> None:
    def where(rail: Rail) -> tuple[object, ...]:
        return rail.i2c_bus, rail.i2c_address, rail.channel

    wired = [where(rail) for rail in board.rails.values() if rail.channel is not None]
    assert len(set(wired)) == len(wired)


def test_the_module_rail_alone_is_the_total_of_small_jetsons() -> None:
    for name in ("jetson-orin-nano-8gb", "jetson-orin-nx-super-16gb", "jetson-xavier-nx"):
        assert [total.rails for total in BOARDS[name].totals] == [("VDD_IN",)]
        assert BOARDS[name].rails["VDD_SOC"].part_of == "VDD_IN"


def test_the_agx_orin_sums_three_rails_and_leaves_its_memory_rail_out() -> None:
    [total] = BOARDS["jetson-agx-orin-64gb"].totals
    assert set(total.rails) == {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"}
    assert "VDDQ_VDD2_1V8AO" in BOARDS["jetson-agx-orin-64gb"].rails


def test_the_agx_xavier_sums_its_six_rails() -> None:
    board = BOARDS["jetson-agx-xavier"]
    [total] = board.totals
    assert set(total.rails) == set(board.rails) == {"GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"}


def test_the_input_sensor_of_the_thor_replaces_the_sum() -> None:
    board, module = BOARDS["jetson-thor-t5000"].totals
    assert (board.rails, board.covers) == (("VIN",), "board")
    assert len(module.rails) == 3


def test_the_total_is_the_first_that_can_be_read() -> None:
    thor, orin = BOARDS["jetson-thor-t5000"], BOARDS["jetson-orin-nx-16gb"]
    module = {"VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"}
    assert thor.total({"VIN", *module}) == thor.totals[0]
    assert thor.total(module) == thor.totals[1]
    assert orin.total({"VDD_CPU_GPU_CV", "VDD_SOC"}) is None


def test_super_differs_from_its_parent_in_clocks_and_not_in_wires() -> None:
    first, better = BOARDS["jetson-orin-nano-8gb"], BOARDS["jetson-orin-nano-super-8gb"]
    assert better.rails == first.rails
    assert better.thermal == first.thermal
    assert better.memory.sizes == first.memory.sizes
    assert better.power_modes["25W"].default
    assert better.memory.bandwidth_bytes_per_s != first.memory.bandwidth_bytes_per_s


def test_only_known_figures_stand_in_a_generic_profile() -> None:
    arm = BOARDS["generic-arm64"]
    assert (arm.clusters, arm.rails, arm.totals, arm.gpu) == ({}, {}, (), None)
    assert arm.compute.cpu.peak_op_per_s.fp32 is None


def test_the_shipped_directory_holds_nothing_else() -> None:
    assert {path.suffix for path in Path(SHIPPED).iterdir()} == {".yaml"}
