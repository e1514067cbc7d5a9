"""The threads that suit processors of one and of several kinds of core."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_rt.board.detection import usable_cores

# What the kernel tells in cpu_capacity, 1024 for the fastest core of the board at its top clock.
RK3588 = [414] * 4 + [1024] * 4  # A55 first, then A76
S922X = [1024] * 4 + [512] * 2  # an even sum: A73 and A53
TWO_FAST = [1024] * 2 + [450] * 6
ORIN_NX = [1024] * 8  # clusters of four, of one kind


def write(folder: Path, capacities: Sequence[int | None], threads: int = 1) -> Path:
    """Files as the kernel has them, with so many CPUs a core."""
    for number, capacity in enumerate(capacities):
        topology = folder / f"cpu{number}" / "topology"
        topology.mkdir(parents=True)
        first = number - number % threads
        siblings = f"{first}-{first + threads - 1}" if threads > 1 else str(number)
        (topology / "thread_siblings_list").write_text(f"{siblings}\n")
        (topology / "cluster_id").write_text(f"{number // 4}\n")
        if capacity is not None:
            (folder / f"cpu{number}" / "cpu_capacity").write_text(f"{capacity}\n")
    return folder


@pytest.mark.parametrize(
    ("capacities", "threads"), [(RK3588, 4), (S922X, 4), (TWO_FAST, 8), (ORIN_NX, 8)]
)
def test_slow_cores_count_where_they_make_up_for_the_wait(
    tmp_path: Path, capacities: list[int], threads: int
) -> None:
    assert usable_cores(write(tmp_path, capacities), range(8)[: len(capacities)]) == threads


def test_only_cores_that_may_be_used_count(tmp_path: Path) -> None:
    assert usable_cores(write(tmp_path, RK3588), {0, 1, 2, 3, 4}) == 5
    assert usable_cores(tmp_path, {0, 1, 4, 5}) == 2
    assert usable_cores(tmp_path, {3}) == 1


def test_second_threads_of_a_core_do_not_count(tmp_path: Path) -> None:
    cpus = write(tmp_path, [None] * 8, threads=2)
    assert usable_cores(cpus, range(8)) == 4
    assert usable_cores(cpus, {0, 1}) == 1
    assert usable_cores(cpus, {0, 2, 3}) == 2


def test_where_the_kernel_tells_nothing_all_count(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "missing", range(6)) == 6


def test_this_machine_has_no_more_than_this_process_may_use() -> None:
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
