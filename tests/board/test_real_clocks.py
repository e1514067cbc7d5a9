"""The clocks that cores and GPUs at work really have."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.board.meters import cpu_clock_hz, gpu_clock_hz
from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.clocks import CpuFreq, DevFreq, GpuReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.testing.board import FakeBoard


def snapshot(tree: FakeBoard) -> BoardSnapshot:
    sampler = BoardSampler([CpuFreq(tree.sysfs), DevFreq(tree.sysfs), GpuReader(tree.sysfs)])
    sampler.step(0.0)
    return BoardSnapshot(Path("/"), BoardChoice(), sampler, (), None)


@pytest.mark.parametrize(("busy", "hz"), [(4.0, 2.4e9), (1.0, 2.4e9), (0.5, None), (0.0, None)])
def test_cores_of_one_clock_tell_it_while_one_of_them_is_busy(
    tree: FakeBoard, busy: float, hz: float | None
) -> None:
    policy = tree.policy(0, "0 1 2 3", 2_400_000, 2_400_000, 1_500_000)
    tree.write(policy, {"scaling_max_freq": 1_600_000})
    assert cpu_clock_hz(snapshot(tree), busy) == hz


@pytest.mark.parametrize(
    ("busy", "hz"), [(4.0, 2.1e9), (3.0, 2.0e9), (2.0, 0.9e9), (1.97, 0.9e9), (1.0, 0.8e9)]
)
def test_the_highest_clocks_may_be_those_of_cores_at_rest(
    tree: FakeBoard, busy: float, hz: float
) -> None:
    for number, khz in enumerate((2_100_000, 900_000, 2_000_000, 800_000)):
        tree.policy(number, str(number), khz, 2_400_000, 400_000)
    assert cpu_clock_hz(snapshot(tree), busy) == pytest.approx(hz)


def test_slower_cores_count_by_their_own_limit(tree: FakeBoard) -> None:
    fast = tree.policy(0, "0 1", 1_200_000, 2_400_000, 400_000)
    slow = tree.policy(2, "2 3", 1_800_000, 1_800_000, 400_000)
    tree.write(fast, {"scaling_max_freq": 1_200_000})
    tree.write(slow, {"scaling_max_freq": 900_000})
    assert cpu_clock_hz(snapshot(tree), 4.0) == pytest.approx(2.4e9)
    assert cpu_clock_hz(snapshot(tree), 2.0) == pytest.approx(1.2e9)


def test_what_cannot_be_read_is_not_known(tree: FakeBoard) -> None:
    assert cpu_clock_hz(snapshot(tree), 4.0) is None
    policy = tree.policy(0, "0 1", 1_200_000, 2_400_000, 400_000)
    tree.write(policy, {"scaling_cur_freq": "<unknown>"})
    assert cpu_clock_hz(snapshot(tree), 2.0) is None


@pytest.mark.parametrize(("load", "hz"), [(900, 6e8), (200, None)])
def test_a_gpu_tells_its_clock_while_it_is_busy(
    tree: FakeBoard, load: int, hz: float | None
) -> None:
    device = tree.sysfs / "class" / "devfreq" / "17000000.gpu"
    tree.write(device, {"cur_freq": 600_000_000, "max_freq": 300_000_000})
    tree.write(tree.sysfs / "class" / "devfreq" / "31b0000.emc", {"cur_freq": 3_000_000_000})
    tree.write(device / "device", {"load": load})
    assert gpu_clock_hz(snapshot(tree)) == hz
