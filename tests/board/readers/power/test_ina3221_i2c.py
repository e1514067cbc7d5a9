"""The raw reader decodes the chip's registers as its driver does and leaves others' alone."""

from __future__ import annotations

import errno

import pytest
from bus import ALL_ON, FakeBus
from faults import Faults, figures
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.board.readers import ina3221 as chip
from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.board.readers.ina3221_i2c import Ina3221I2c
from edge_rt.testing.board import FakeBoard

LABELS = {1: "VDD_IN", 2: "VDD_CPU_GPU_CV", 3: "VDD_SOC"}
OHMS = {1: 0.005, 2: 0.005, 3: 0.005}


def reader(bus: FakeBus, tree: FakeBoard, *, force: bool = False) -> Ina3221I2c:
    return Ina3221I2c(bus, 1, 0x40, OHMS, LABELS, tree.sysfs, force=force)


def test_a_channel_is_read(tree: FakeBoard) -> None:
    bus = FakeBus()
    bus.measure(1, 627, 155)  # 5.016 V; 6.2 mV over 5 mOhm
    got = figures(reader(bus, tree))
    assert got["VDD_IN", "voltage_v"] == pytest.approx(5.016)
    assert got["VDD_IN", "current_a"] == pytest.approx(1.24)
    assert got["VDD_IN", "power_w"] == pytest.approx(5.016 * 1.24)


def test_a_negative_current_is_read_and_a_negative_voltage_refused(tree: FakeBoard) -> None:
    bus = FakeBus()
    bus.measure(1, 1500, -4)
    bus.measure(2, -1, 4)
    raw = reader(bus, tree)
    got = figures(raw)
    assert got["VDD_IN", "current_a"] == pytest.approx(-0.032)
    assert got["VDD_CPU_GPU_CV", "power_w"] is None
    assert got["VDD_SOC", "power_w"] == 0.0
    assert "cannot be" in (raw.errors[3] or "")


@given(st.integers(-4096, 4095), st.integers(0, 7))
def test_steps_are_the_upper_thirteen_bits(steps: int, rest: int) -> None:
    assert chip.steps((steps & 0x1FFF) << 3 | rest) == steps


@given(st.integers(0, 0xFFFF))
def test_words_are_swapped_both_ways(word: int) -> None:
    assert chip.swapped(chip.swapped(word)) == word
    assert chip.swapped(word).to_bytes(2, "big") == word.to_bytes(2, "little")


@pytest.mark.parametrize(("config", "on"), [(0x7127, (1, 2, 3)), (0x4127, (1,)), (0x3127, (2, 3))])
def test_channels_that_are_switched_off_are_told(
    tree: FakeBoard, config: int, on: tuple[int, ...]
) -> None:
    bus = FakeBus()
    bus.registers[chip.CONFIG] = config
    raw = reader(bus, tree)
    got = figures(raw)
    for number, label in LABELS.items():
        assert (got[label, "power_w"] is not None) == (number in on)
    assert sum("disabled" in (e or "") for e in raw.errors) == 3 * (3 - len(on))


def test_a_chip_that_a_driver_owns_is_not_touched(tree: FakeBoard) -> None:
    tree.i2c("1-0040", "ina3221")
    bus = FakeBus()
    raw = reader(bus, tree)
    assert set(raw.read()) == {None}
    assert bus.reads == []
    assert "driver" in (raw.errors[0] or "")


def test_a_driver_that_comes_later_takes_the_chip(tree: FakeBoard) -> None:
    bus = FakeBus()
    raw = reader(bus, tree)
    assert None not in raw.read()
    device = tree.i2c("1-0040", "ina3221")
    bus.reads.clear()
    assert set(raw.read()) == {None}
    assert bus.reads == []
    assert "driver" in (raw.errors[0] or "")
    (device / "driver").unlink()
    assert None not in raw.read()
    assert chip.DIE in bus.reads  # asked again who it is


@pytest.mark.parametrize("mode", range(7))
def test_a_chip_that_does_not_measure_all_the_time_gives_no_old_figures(
    tree: FakeBoard, mode: int
) -> None:
    bus = FakeBus()
    bus.measure(1, 627, 155)
    bus.registers[chip.CONFIG] = ALL_ON & ~7 | mode
    raw = reader(bus, tree)
    assert set(raw.read()) == {None}
    assert f"mode {mode}" in (raw.errors[0] or "")
    bus.registers[chip.CONFIG] = ALL_ON
    assert None not in raw.read()


def test_a_chip_that_a_driver_owns_is_read_when_told_to(tree: FakeBoard) -> None:
    tree.i2c("1-0040", "ina3221")
    bus = FakeBus()
    assert None not in reader(bus, tree, force=True).read()
    assert set(bus.forced) == {True}


def test_a_busy_chip_is_left_alone(tree: FakeBoard) -> None:
    bus = FakeBus()
    bus.errors = [errno.EBUSY]
    raw = reader(bus, tree)
    assert set(raw.read()) == {None}
    assert "driver" in (raw.errors[0] or "")
    assert len(bus.reads) == 1


@pytest.mark.parametrize("register", [chip.MANUFACTURER, chip.DIE])
def test_another_chip_is_never_measured(tree: FakeBoard, register: int) -> None:
    bus = FakeBus()
    bus.registers[register] = 0x2260
    raw = reader(bus, tree)
    assert set(raw.read()) == {None}
    assert "no INA3221" in (raw.errors[0] or "")
    assert set(bus.reads) == {chip.MANUFACTURER, chip.DIE}


def test_a_bus_error_costs_one_channel_and_passes(tree: FakeBoard) -> None:
    bus = FakeBus()
    raw = reader(bus, tree)
    assert None not in raw.read()
    bus.errors = [errno.EREMOTEIO]
    assert list(raw.read()).count(None) == 3
    assert "EREMOTEIO" in (raw.errors[0] or "")
    assert None not in raw.read()
    assert bus.reads.count(chip.DIE) == 2  # asked again who it is


def test_only_named_channels_with_a_shunt_are_read(tree: FakeBoard) -> None:
    raw = Ina3221I2c(FakeBus(), 1, 0x40, {1: 0.005, 3: 0.005}, {1: "A", 2: "B"}, tree.sysfs)
    assert {channel.name for channel in raw.channels} == {"A"}
    assert raw.channels[0].source == "i2c 1-0040 channel 1"


@given(st.integers(0, 4095), st.integers(-4096, 4095))
def test_raw_and_driver_agree_to_one_step(bus_steps: int, shunt_steps: int) -> None:
    microvolts = shunt_steps * 40
    milliamps = int(microvolts * 1000 / 5000)  # as the driver computes from 5000 micro-ohms
    assert abs(milliamps - shunt_steps * chip.SHUNT_STEP_V / OHMS[1] * 1e3) < 8
    assert bus_steps * 8 == pytest.approx(bus_steps * chip.BUS_STEP_V * 1e3)


@pytest.mark.parametrize(("bus_steps", "shunt_steps"), [(627, 155), (0, 0), (2500, 3999), (1, -9)])
def test_raw_and_hwmon_read_the_same_chip_alike(
    tree: FakeBoard, faults: Faults, bus_steps: int, shunt_steps: int
) -> None:
    bus = FakeBus()
    bus.measure(1, bus_steps, shunt_steps)
    raw = figures(reader(bus, tree))
    rails = [("VDD_IN", 8 * bus_steps, int(shunt_steps * 40 / 5)), ("X", 0, 0), ("NC", 0, 0)]
    tree.ina3221("1-0040", rails)
    kernel = figures(Ina3221Hwmon(tree.sysfs, io=faults.io))
    for kind, step in (("voltage_v", 8e-3), ("current_a", 8e-3)):
        assert raw["VDD_IN", kind] == pytest.approx(kernel["VDD_IN", kind], abs=step)
    assert raw["VDD_IN", "power_w"] == pytest.approx(kernel["VDD_IN", "power_w"], abs=0.2)
