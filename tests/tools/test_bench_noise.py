from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from benchlib import noise
from benchlib.noise import CpuTimes, Sample, Watch, busy_cores, cpu_times, judge

QUIET = Sample("quiet", {0: 1.0, 1: 2.0}, others_before=0.0, others_during=0.1, steal=0.0)


def sample(label: str, **changed: object) -> Sample:
    return Sample(**{**vars(QUIET), "label": label, **changed})  # type: ignore[arg-type]


def test_idle_and_waiting_are_not_busy_and_guests_count_once(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000 500 6 7 80 90 10\ncpu0 1 2 3\n")
    times = cpu_times(stat, hertz=100)
    assert times.busy_s == pytest.approx((100 + 20 + 30 + 6 + 7) / 100)
    assert times.steal_s == pytest.approx(0.8)


def test_an_old_kernel_without_steal_is_read_too(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000\n")
    assert cpu_times(stat, hertz=100) == CpuTimes(1.5, 0.0)


def test_what_is_accounted_for_is_not_others() -> None:
    before, after = CpuTimes(10.0, 0.0), CpuTimes(14.0, 0.0)
    assert busy_cores(before, after, elapsed_s=2.0) == 2.0
    assert busy_cores(before, after, elapsed_s=2.0, own_s=3.0) == 0.5
    assert busy_cores(before, after, elapsed_s=2.0, own_s=9.0) == 0.0


def test_equal_rounds_on_unequal_cores_are_quiet() -> None:
    verdict = judge([QUIET, sample("again", spin_s={0: 1.05, 1: 2.1})])
    assert not verdict.noisy
    assert verdict.noisy_rounds == []
    assert verdict.spin_spread == pytest.approx(0.05)


@pytest.mark.parametrize(
    "changed",
    [
        {"spin_s": {0: 1.0, 1: 2.3}},
        {"others_before": 0.3},
        {"others_during": 0.3},
        {"steal": 0.3},
    ],
)
def test_each_sign_of_noise_names_its_round(changed: dict[str, object]) -> None:
    verdict = judge([QUIET, sample("loud", **changed), sample("last")])
    assert verdict.noisy
    assert verdict.noisy_rounds == ["loud"]


def test_no_round_is_no_noise() -> None:
    assert not judge([]).noisy


class Board:
    """A clock that only sleeping moves, and others that use `load` cores until `quiet_at_s`."""

    def __init__(self, load: float, quiet_at_s: float) -> None:
        self.now, self._busy, self._load, self._quiet_at = 0.0, 0.0, load, quiet_at_s

    def clock(self) -> float:
        return self.now

    def times(self) -> CpuTimes:
        return CpuTimes(self._busy, 0.0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._busy += self._load * seconds if self.now <= self._quiet_at else 0.0

    def watch(self, patience_s: float) -> Watch:
        return Watch("round", patience_s, self.times, self.clock, self.sleep)


def test_a_watch_waits_until_others_are_quiet() -> None:
    board = Board(load=1.0, quiet_at_s=4.5)
    found = board.watch(patience_s=60)
    board.sleep(1.0)
    assert found.finish(own_s=0.0).others_before == 0.0
    assert board.now < 10


def test_a_watch_loses_patience_and_says_what_it_saw() -> None:
    board = Board(load=1.0, quiet_at_s=1e9)
    found = board.watch(patience_s=3)
    board.sleep(1.0)
    seen = found.finish(own_s=0.4)
    assert seen.others_before == pytest.approx(1.0)
    assert seen.others_during == pytest.approx(0.6)
    assert board.now < 10


def test_the_spin_runs_on_every_core_and_the_affinity_is_put_back() -> None:
    before = os.sched_getaffinity(0)
    seen: list[set[int]] = []

    def spin() -> float:
        seen.append(os.sched_getaffinity(0))
        return 1.0

    assert noise.spin_cores(spin) == dict.fromkeys(sorted(before), 1.0)
    assert seen == [{core} for core in sorted(before)]
    assert os.sched_getaffinity(0) == before


def test_the_spin_is_the_middle_of_three_goes() -> None:
    ticks = iter([0.0, 1.0, 10.0, 15.0, 20.0, 22.0])
    clock: Callable[[], float] = lambda: next(ticks)  # noqa: E731
    assert noise.spin_seconds(1, clock) == 2.0
