"""Rails through JetPack 4's driver."""

from __future__ import annotations

import errno

import pytest
from faults import Faults, figures
from trees import nano

from edge_rt.board.readers.ina3221 import Ina3221Iio
from edge_rt.testing.board import FakeBoard


@pytest.mark.parametrize("unit", ["", " ma", " mA"])
def test_iio_values_may_carry_their_unit(tree: FakeBoard, unit: str) -> None:
    tree.ina3221x("6-0040", [("POM_5V_IN", 5008, 560), ("NC", 0, 0), ("X", 1, 1)], unit)
    reader = Ina3221Iio(tree.sysfs)
    got = figures(reader)
    assert got["POM_5V_IN", "current_a"] == pytest.approx(0.56)
    assert got["POM_5V_IN", "power_w"] == pytest.approx(2.804)
    assert [skipped.reason for skipped in reader.skipped] == ["labelled NC: not connected"]


@pytest.mark.parametrize("content", ["560 v", "ma", "5 6", "--5 ma", "560 ma x", "-9999999999 ma"])
def test_iio_values_of_another_form_are_errors(tree: FakeBoard, content: str) -> None:
    nano(tree)
    reader = Ina3221Iio(tree.sysfs)
    device = tree.sysfs / "bus" / "i2c" / "drivers" / "ina3221x" / "6-0040" / "iio:device0"
    (device / "in_current0_input").write_text(f"{content}\n")
    got = figures(reader)
    assert got["POM_5V_IN", "current_a"] is None
    assert got["POM_5V_IN", "voltage_v"] is not None


def test_iio_without_a_power_file_multiplies(tree: FakeBoard) -> None:
    nano(tree)
    for path in (tree.sysfs / "devices").rglob("in_power0_input"):
        path.unlink()
    assert figures(Ina3221Iio(tree.sysfs))["POM_5V_IN", "power_w"] == pytest.approx(5.008 * 0.56)


def test_iio_devices_are_found_by_name_too(tree: FakeBoard) -> None:
    folder = tree.sysfs / "bus" / "iio" / "devices" / "iio:device3"
    files = {"name": "ina3221x", "rail_name_0": "POM_5V_IN", "in_voltage0_input": 5000}
    tree.write(folder, files | {"in_current0_input": 100})
    assert figures(Ina3221Iio(tree.sysfs))["POM_5V_IN", "power_w"] == pytest.approx(0.5)


def test_files_that_only_root_may_read_say_so(tree: FakeBoard, faults: Faults) -> None:
    nano(tree)
    for path in tree.sysfs.glob("bus/i2c/drivers/ina3221x/*/iio:device*/in_*_input"):
        faults.errors[path] = [errno.EACCES]
    reader = Ina3221Iio(tree.sysfs, io=faults.io)
    assert set(reader.read()) == {None}
    assert all("may only be read by root" in (error or "") for error in reader.errors)
