"""Rails through hwmon and iio: names, figures, and what is left out."""

from __future__ import annotations

import errno

import pytest
from faults import Faults, figures
from trees import Tree, agx_orin, nano, orin_nano, thor

from edge_rt.sensors.ina238 import Ina238
from edge_rt.sensors.ina3221_hwmon import Ina3221Hwmon
from edge_rt.sensors.ina3221_iio import Ina3221Iio


def test_channels_not_connected_are_left_out_and_told(tree: Tree) -> None:
    agx_orin(tree)
    reader = Ina3221Hwmon(tree.sysfs)
    assert "NC" not in {channel.name for channel in reader.channels}
    assert sum("not connected" in skipped.reason for skipped in reader.skipped) == 2


def test_a_disabled_channel_is_left_out_and_told(tree: Tree) -> None:
    orin_nano(tree)
    (tree.sysfs / "class" / "hwmon" / "hwmon0" / "in2_enable").write_text("0\n")
    reader = Ina3221Hwmon(tree.sysfs)
    assert {channel.name for channel in reader.channels} == {"VDD_IN", "VDD_SOC"}
    assert [skipped.name for skipped in reader.skipped] == ["VDD_CPU_GPU_CV"]


def test_a_chip_without_labels_is_named_by_its_place(tree: Tree) -> None:
    orin_nano(tree)
    for path in (tree.sysfs / "class" / "hwmon" / "hwmon0").glob("in?_label"):
        path.unlink()
    names = {channel.name for channel in Ina3221Hwmon(tree.sysfs).channels}
    assert names == {"1-0040/1", "1-0040/2", "1-0040/3"}


def test_a_tree_without_the_class_is_read_from_the_driver(tree: Tree) -> None:
    orin_nano(tree)
    classes = tree.sysfs / "class" / "hwmon"
    for link in classes.iterdir():
        link.unlink()
    assert figures(Ina3221Hwmon(tree.sysfs))["VDD_IN", "voltage_v"] == pytest.approx(5.016)


def test_a_channel_switched_off_later_fails_alone(tree: Tree, faults: Faults) -> None:
    orin_nano(tree)
    reader = Ina3221Hwmon(tree.sysfs, io=faults.io)
    folder = tree.sysfs / "class" / "hwmon" / "hwmon0"
    faults.errors[folder / "in2_input"] = [errno.ENODATA]
    faults.errors[folder / "curr2_input"] = [errno.ENODATA]
    got = figures(reader)
    assert {n for (n, _), value in got.items() if value is None} == {"VDD_CPU_GPU_CV"}
    assert "ENODATA" in (reader.errors[3] or "")


def test_a_missing_current_leaves_the_voltage(tree: Tree) -> None:
    orin_nano(tree)
    reader = Ina3221Hwmon(tree.sysfs)
    (tree.sysfs / "class" / "hwmon" / "hwmon0" / "curr1_input").unlink()
    got = figures(reader)
    assert got["VDD_IN", "power_w"] is None
    assert got["VDD_IN", "current_a"] is None
    assert got["VDD_IN", "voltage_v"] == pytest.approx(5.016)


@pytest.mark.parametrize("unit", ["", " ma", " mA"])
def test_iio_values_may_carry_their_unit(tree: Tree, unit: str) -> None:
    tree.ina3221x("6-0040", [("POM_5V_IN", 5008, 560), ("NC", 0, 0), ("X", 1, 1)], unit)
    reader = Ina3221Iio(tree.sysfs)
    got = figures(reader)
    assert got["POM_5V_IN", "current_a"] == pytest.approx(0.56)
    assert got["POM_5V_IN", "power_w"] == pytest.approx(2.804)
    assert [skipped.reason for skipped in reader.skipped] == ["labelled NC: not connected"]


@pytest.mark.parametrize("content", ["560 v", "ma", "5 6", "--5 ma", "560 ma x", "-9999999999 ma"])
def test_iio_values_of_another_form_are_errors(tree: Tree, content: str) -> None:
    nano(tree)
    reader = Ina3221Iio(tree.sysfs)
    device = tree.sysfs / "bus" / "i2c" / "drivers" / "ina3221x" / "6-0040" / "iio:device0"
    (device / "in_current0_input").write_text(f"{content}\n")
    got = figures(reader)
    assert got["POM_5V_IN", "current_a"] is None
    assert got["POM_5V_IN", "voltage_v"] is not None


def test_iio_without_a_power_file_multiplies(tree: Tree) -> None:
    nano(tree)
    for path in (tree.sysfs / "devices").rglob("in_power0_input"):
        path.unlink()
    assert figures(Ina3221Iio(tree.sysfs))["POM_5V_IN", "power_w"] == pytest.approx(5.008 * 0.56)


def test_iio_devices_are_found_by_name_too(tree: Tree) -> None:
    folder = tree.sysfs / "bus" / "iio" / "devices" / "iio:device3"
    files = {"name": "ina3221x", "rail_name_0": "POM_5V_IN", "in_voltage0_input": 5000}
    tree.write(folder, files | {"in_current0_input": 100})
    assert figures(Ina3221Iio(tree.sysfs))["POM_5V_IN", "power_w"] == pytest.approx(0.5)


def test_the_input_monitor_multiplies_by_itself(tree: Tree) -> None:
    thor(tree)
    got = figures(Ina238(tree.sysfs))
    assert got == {
        ("VIN", "power_w"): pytest.approx(20.0),
        ("VIN", "voltage_v"): pytest.approx(19.0),
        ("VIN", "current_a"): pytest.approx(1.052),
    }


def test_sources_name_the_files(tree: Tree) -> None:
    orin_nano(tree)
    power, voltage, current = Ina3221Hwmon(tree.sysfs).channels[:3]
    assert voltage.source.endswith("in1_input")
    assert current.source.endswith("curr1_input")
    assert power.source == f"{voltage.source} x curr1_input"
