"""Rails through the kernel's driver: names, figures, and what is left out."""

from __future__ import annotations

import errno
import shutil

import pytest
from faults import Faults, figures
from trees import agx_orin, orin_nano

from edge_rt.board.readers.ina3221 import Ina3221Hwmon
from edge_rt.testing.board import FakeBoard


def test_channels_not_connected_are_left_out_and_told(tree: FakeBoard) -> None:
    agx_orin(tree)
    reader = Ina3221Hwmon(tree.sysfs)
    assert "NC" not in {channel.name for channel in reader.channels}
    assert sum("not connected" in skipped.reason for skipped in reader.skipped) == 2


def test_a_disabled_channel_is_left_out_and_told(tree: FakeBoard) -> None:
    orin_nano(tree)
    (tree.sysfs / "class" / "hwmon" / "hwmon0" / "in2_enable").write_text("0\n")
    reader = Ina3221Hwmon(tree.sysfs)
    assert {channel.name for channel in reader.channels} == {"VDD_IN", "VDD_SOC"}
    assert [skipped.name for skipped in reader.skipped] == ["VDD_CPU_GPU_CV"]


def test_a_chip_without_labels_is_named_by_its_place(tree: FakeBoard) -> None:
    orin_nano(tree)
    for path in (tree.sysfs / "class" / "hwmon" / "hwmon0").glob("in?_label"):
        path.unlink()
    names = {channel.name for channel in Ina3221Hwmon(tree.sysfs).channels}
    assert names == {"1-0040/1", "1-0040/2", "1-0040/3"}


def test_a_tree_without_the_class_is_read_from_the_driver(tree: FakeBoard) -> None:
    orin_nano(tree)
    classes = tree.sysfs / "class" / "hwmon"
    for link in classes.iterdir():
        link.unlink()
    assert figures(Ina3221Hwmon(tree.sysfs))["VDD_IN", "voltage_v"] == pytest.approx(5.016)


def test_a_channel_switched_off_later_fails_alone(tree: FakeBoard, faults: Faults) -> None:
    orin_nano(tree)
    reader = Ina3221Hwmon(tree.sysfs, io=faults.io)
    folder = (tree.sysfs / "class" / "hwmon" / "hwmon0").resolve()
    faults.errors[folder / "in2_input"] = [errno.ENODATA]
    faults.errors[folder / "curr2_input"] = [errno.ENODATA]
    got = figures(reader)
    assert {n for (n, _), value in got.items() if value is None} == {"VDD_CPU_GPU_CV"}
    assert "ENODATA" in (reader.errors[3] or "")


def test_a_device_that_takes_the_number_of_another_is_not_read(tree: FakeBoard) -> None:
    orin_nano(tree)
    reader = Ina3221Hwmon(tree.sysfs)
    assert None not in reader.read()
    link = tree.sysfs / "class" / "hwmon" / "hwmon0"
    own = link.resolve()
    kept = shutil.copytree(own, own.with_name("kept"), symlinks=True)
    shutil.rmtree(own)
    link.unlink()
    link.symlink_to(tree.ina3221("1-0041", [("A", 12000, 100), ("B", 0, 0), ("C", 0, 0)]))
    assert set(reader.read()) == {None}
    kept.rename(own)
    assert None not in reader.read()


def test_a_missing_current_leaves_the_voltage(tree: FakeBoard) -> None:
    orin_nano(tree)
    reader = Ina3221Hwmon(tree.sysfs)
    (tree.sysfs / "class" / "hwmon" / "hwmon0" / "curr1_input").unlink()
    got = figures(reader)
    assert got["VDD_IN", "power_w"] is None
    assert got["VDD_IN", "current_a"] is None
    assert got["VDD_IN", "voltage_v"] == pytest.approx(5.016)


def test_sources_name_the_files(tree: FakeBoard) -> None:
    orin_nano(tree)
    power, voltage, current = Ina3221Hwmon(tree.sysfs).channels[:3]
    assert voltage.source.endswith("in1_input")
    assert current.source.endswith("curr1_input")
    assert power.source == f"{voltage.source} x curr1_input"


@pytest.mark.parametrize(("milliamps", "power_w"), [(-78, 0.0), (-300, None), (-5_000, None)])
def test_power_may_be_off_by_a_little_and_never_flows_back(
    tree: FakeBoard, milliamps: int, power_w: float | None
) -> None:
    orin_nano(tree)
    reader = Ina3221Hwmon(tree.sysfs)
    (tree.sysfs / "class" / "hwmon" / "hwmon0" / "curr1_input").write_text(f"{milliamps}\n")
    got = figures(reader)
    assert got["VDD_IN", "power_w"] == (
        None if power_w is None else pytest.approx(power_w, abs=1e-3)
    )
    assert got["VDD_IN", "current_a"] == pytest.approx(milliamps / 1000)
    assert ("cannot be" in (reader.errors[0] or "")) == (power_w is None)
