"""CPU, memory, pressure, clocks and fans."""

from __future__ import annotations

import os

import pytest
from faults import FakeClock, figures
from hypothesis import given
from hypothesis import strategies as st
from trees import Tree, agx_orin, orin_nano, pi5, x86

from edge_rt.sensors.cpu_load import CpuLoad
from edge_rt.sensors.cpufreq import CpuFreq
from edge_rt.sensors.devfreq import DevFreq
from edge_rt.sensors.fan import Fan
from edge_rt.sensors.hwmon_temp import HwmonTemp
from edge_rt.sensors.memory import Memory
from edge_rt.sensors.modelled import Coefficients, ModelledPower, power_scale
from edge_rt.sensors.pressure import Pressure
from edge_rt.sensors.thermal_throttle import ThermalThrottle

TICKS = os.sysconf("SC_CLK_TCK")


def test_load_of_the_board_and_of_a_process(tree: Tree, clock: FakeClock) -> None:
    tree.host(4)
    tree.process(77, 500)
    reader = CpuLoad(tree.proc, {"engine": lambda: 77}, clock=clock)
    assert set(reader.read()) == {None}
    clock.now += 0.5
    tree.busy(1000 + TICKS)  # one second of CPU in half a second: two of four cores
    tree.process(77, 500 + TICKS // 2)
    got = figures(reader)
    assert got["cpu", "fraction"] == pytest.approx(0.5)
    assert got["cpu engine", "fraction"] == pytest.approx(0.25)


def test_a_process_that_is_started_again_is_followed(tree: Tree, clock: FakeClock) -> None:
    tree.host(4)
    tree.process(77, 500)
    pid: list[int | None] = [77]
    reader = CpuLoad(tree.proc, {"engine": lambda: pid[0]}, clock=clock)
    reader.read()
    pid[0] = None
    assert figures(reader)["cpu engine", "fraction"] is None
    assert reader.errors[1] == "engine does not run"
    pid[0] = 78
    tree.process(78, 0)
    assert figures(reader)["cpu engine", "fraction"] is None  # one read is no rate
    clock.now += 1.0
    tree.process(78, TICKS)
    assert figures(reader)["cpu engine", "fraction"] == pytest.approx(0.25)


def test_memory(tree: Tree) -> None:
    tree.host()
    got = figures(Memory(tree.proc))
    assert got["memory available", "bytes"] == 5_000_000 * 1024
    assert got["memory total", "bytes"] == 8_000_000 * 1024


def test_memory_without_a_figure_is_missing(tree: Tree) -> None:
    tree.host()
    reader = Memory(tree.proc)
    (tree.proc / "meminfo").write_text("MemTotal: 5 kB\nMemAvailable: many kB\n")
    assert list(reader.read()) == [None, 5 * 1024.0]


def test_pressure_is_the_share_of_time_stalled(tree: Tree, clock: FakeClock) -> None:
    tree.host()
    reader = Pressure(tree.proc, clock=clock)
    assert set(reader.read()) == {None}
    clock.now += 2.0
    tree.pressure("memory", 1_000_000, 500_000)
    got = figures(reader)
    assert got["pressure memory some", "fraction"] == pytest.approx(0.5)
    assert got["pressure memory full", "fraction"] == pytest.approx(0.25)
    assert got["pressure cpu some", "fraction"] == 0.0


def test_a_kernel_without_pressure(tree: Tree) -> None:
    reader = Pressure(tree.proc)
    assert reader.channels == ()
    assert reader.skipped[0].name == "pressure"


@given(busy=st.integers(0, 10**7), elapsed=st.floats(0.001, 100.0))
def test_a_fraction_stays_one(busy: int, elapsed: float, tmp_path_factory: object) -> None:
    root = tmp_path_factory.mktemp("load")  # type: ignore[attr-defined]
    tree, clock = Tree(root / "board"), FakeClock()
    tree.host(2)
    reader = CpuLoad(tree.proc, clock=clock)
    reader.read()
    clock.now += elapsed
    tree.busy(busy)
    assert 0.0 <= (reader.read()[0] or 0.0) <= 1.0


def test_clocks(tree: Tree) -> None:
    agx_orin(tree)
    reader = CpuFreq(tree.sysfs)
    got = figures(reader)
    assert got["policy4", "clock_hz"] == pytest.approx(1_100_800_000)
    assert got["policy4 max", "clock_hz"] == pytest.approx(2_201_600_000)
    assert reader.policies[1].cpus == (4, 5, 6, 7)
    assert reader.policies[1].hardware_max_hz == pytest.approx(2_201_600_000)
    assert figures(DevFreq(tree.sysfs)) == {("17000000.gpu", "clock_hz"): 306_000_000}


def test_fans_over_one_or_two_devices(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    orin_nano(tree)
    assert figures(Fan(tree.sysfs)) == {
        ("pwm_tach", "rpm"): 2310.0,
        ("pwmfan", "fraction"): pytest.approx(0.4),
    }
    pi5(other := Tree(tmp_path_factory.mktemp("pi") / "board"))
    assert figures(Fan(other.sysfs)) == {
        ("pwmfan", "rpm"): 3120.0,
        ("pwmfan", "fraction"): pytest.approx(75 / 255),
    }


def test_x86_temperatures_and_throttle_counts(tree: Tree) -> None:
    x86(tree)
    assert figures(HwmonTemp(tree.sysfs))["coretemp Package id 0", "temp_c"] == pytest.approx(52)
    assert figures(ThermalThrottle(tree.sysfs)) == {
        ("package-0 throttled", "count"): 7.0,
        ("package-0 core 0 throttled", "count"): 3.0,
        ("package-0 core 1 throttled", "count"): 4.0,
    }


def test_modelled_power_follows_cores_and_clock(tree: Tree, clock: FakeClock) -> None:
    tree.host(4)
    policy = tree.policy(0, "0 1 2 3", 2_400_000, 2_400_000, 600_000)
    known = Coefficients(static_w=2.5, core_w=1.5, voltage_floor=0.6)
    reader = ModelledPower(tree.sysfs, tree.proc, known, clock=clock)
    assert reader.channels[0].quality == "modelled"
    assert list(reader.read()) == [None]
    clock.now += 1.0
    tree.busy(1000 + 2 * TICKS)
    assert list(reader.read()) == [pytest.approx(2.5 + 2 * 1.5)]
    tree.write(policy, {"scaling_cur_freq": 1_200_000})
    clock.now += 1.0
    tree.busy(1000 + 4 * TICKS)
    assert list(reader.read()) == [pytest.approx(2.5 + 2 * 1.5 * 0.8 * 0.8 * 0.5)]


def test_modelled_power_without_clocks(tree: Tree, clock: FakeClock) -> None:
    tree.host(4)
    reader = ModelledPower(tree.sysfs, tree.proc, Coefficients(1.0, 1.0), clock=clock)
    reader.read()
    clock.now += 1.0
    assert list(reader.read()) == [pytest.approx(1.0)]
    (tree.proc / "stat").unlink()
    assert list(reader.read()) == [None]


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_modelled_power_grows_with_the_clock(a: float, b: float, floor: float) -> None:
    low, high = sorted((a, b))
    assert power_scale(low, floor) <= power_scale(high, floor) + 1e-12
    assert power_scale(1.0, floor) == pytest.approx(1.0)
