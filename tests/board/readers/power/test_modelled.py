"""Modelled power grows with busy cores and clocks, and says that it is modelled."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.readers.modelled import Coefficients, ModelledPower, power_scale
from edge_rt.board.sampler import BoardSampler
from edge_rt.testing.board import FakeBoard, FakeClock

TICKS = os.sysconf("SC_CLK_TCK")


def test_modelled_power_follows_cores_and_clock(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host(4)
    policy = tree.policy(0, "0 1 2 3", 2_400_000, 2_400_000, 600_000)
    known = Coefficients(static_w=2.5, core_w=1.5, voltage_floor=0.6)
    reader = ModelledPower(tree.sysfs, tree.proc, known, clock=clock)
    assert reader.channels[0].quality == "modelled"
    assert list(reader.read()) == [None, 0.0]
    clock.now += 1.0
    tree.busy(1000 + 2 * TICKS)
    assert list(reader.read()) == [pytest.approx(2.5 + 2 * 1.5)] * 2
    tree.write(policy, {"scaling_cur_freq": 1_200_000})
    clock.now += 2.0
    tree.busy(1000 + 6 * TICKS)
    slow_w = 2.5 + 2 * 1.5 * 0.8 * 0.8 * 0.5
    assert list(reader.read()) == [pytest.approx(slow_w), pytest.approx(5.5 + 2 * slow_w)]


def test_modelled_power_without_clocks(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host(4)
    reader = ModelledPower(tree.sysfs, tree.proc, Coefficients(1.0, 1.0), clock=clock)
    reader.read()
    clock.now += 1.0
    assert list(reader.read()) == [pytest.approx(1.0)] * 2
    (tree.proc / "stat").unlink()
    assert list(reader.read()) == [None, None]


def test_the_energy_of_a_gap_is_missing(tree: FakeBoard, clock: FakeClock) -> None:
    tree.host(4)
    sampler = BoardSampler(
        [ModelledPower(tree.sysfs, tree.proc, Coefficients(2.0, 1.0), clock=clock)], clock
    )
    text = (tree.proc / "stat").read_text()
    for second in range(9):
        if second == 3:
            (tree.proc / "stat").unlink()
        if second == 5:
            (tree.proc / "stat").write_text(text)
        sampler.step(clock.now)
        clock.now += 1.0
    energy = sampler.energies()["board"]
    # Seconds 0 to 2 and 5 to 8 were read; what was in between nobody saw.
    assert energy.energy_j == pytest.approx(2.0 * 5)
    assert (energy.covered_s, energy.missing_s) == (pytest.approx(5.0), pytest.approx(3.0))


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_modelled_power_grows_with_the_clock(a: float, b: float, floor: float) -> None:
    low, high = sorted((a, b))
    assert power_scale(low, floor) <= power_scale(high, floor) + 1e-12
    assert power_scale(1.0, floor) == pytest.approx(1.0)
