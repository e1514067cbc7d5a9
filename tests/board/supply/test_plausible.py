"""What no board can draw, and no chip be heated to, is refused with the reason."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from benchlib.boards import load_boards
from trees import BOARDS

from edge_rt.board.monitor import BoardMonitor
from edge_rt.board.supply import known_of
from edge_rt.config.paths import Paths
from edge_rt.core.reports.board import BoardReport
from edge_rt.testing.board import FakeBoard

BOARD_PROFILES = load_boards()
NANO = "jetson-orin-nano-8gb"


def report_of(tree: FakeBoard, board: str | None) -> BoardReport:
    senses = BoardMonitor(tree.proc.parent, board, Paths.system())
    senses.open()
    try:
        return senses.report()
    finally:
        senses.close()


def orin_nano(tree: FakeBoard, files: Mapping[str, object]) -> BoardReport:
    BOARDS["orin-nano"](tree)
    tree.write(tree.sysfs / "class" / "hwmon" / "hwmon0", files)
    return report_of(tree, NANO)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"in1_input": 5_000, "curr1_input": 65_535}, "current_a is 65.5"),  # 328 W
        ({"in1_input": 10_000, "curr1_input": 32_760}, "current_a is 32.76 A"),  # 328 W
        ({"in1_input": 32_767, "curr1_input": 32_767}, "voltage_v is 32.77 V"),  # 1,073 W
        ({"in1_input": 0, "curr1_input": 1_040}, "1.04 A flow at 0.00 V"),  # 0.00 W
    ],
)
def test_a_power_that_the_chip_cannot_tell_is_not_the_supplys(
    tree: FakeBoard, files: Mapping[str, object], told: str
) -> None:
    report = orin_nano(tree, files)
    [power] = [c for c in report.channels if (c.name, c.kind) == ("VDD_IN", "power_w")]
    assert power.value is None
    assert told in (power.error or "")
    assert "which cannot be" in (power.error or "")
    assert report.supply is None


def test_a_power_that_the_board_cannot_draw_is_refused(tree: FakeBoard) -> None:
    BOARDS["agx-orin"](tree)  # of which 60 W are stated
    [label] = [
        file
        for file in tree.sysfs.glob("class/hwmon/hwmon*/in1_label")
        if file.read_text() == "VDD_GPU_SOC\n"
    ]
    tree.write(label.parent, {"curr1_input": 17_300})
    report = report_of(tree, "jetson-agx-orin-64gb")
    [power] = [c for c in report.channels if (c.name, c.kind) == ("VDD_GPU_SOC", "power_w")]
    assert power.value is None
    assert "power_w is 328.7 W, which cannot be: -1 to 180 W" in (power.error or "")


def test_a_temperature_that_no_chip_can_have_is_not_the_hottest(tree: FakeBoard) -> None:
    BOARDS["orin-nano"](tree)
    (tree.sysfs / "class" / "thermal" / "thermal_zone1" / "temp").write_text("200000\n")
    report = report_of(tree, NANO)
    [zone] = [c for c in report.channels if c.name == "gpu-thermal"]
    assert report.temp_c is not None
    assert report.temp_c < 50.0
    assert zone.value is None
    assert "temp_c is 200 °C, which cannot be: -40 to 150 °C" in (zone.error or "")


def test_a_drivers_shunt_that_is_not_the_profiles_puts_its_rail_in_doubt(tree: FakeBoard) -> None:
    report = orin_nano(tree, {"shunt1_resistor": 10_000, "shunt2_resistor": 5_000})
    assert {*report.doubts} == {"VDD_IN"}
    told = report.doubts["VDD_IN"]
    assert "set to a shunt of 10 mΩ, the board's profile states 5 mΩ" in told
    assert "draws 2 times the power shown" in told
    assert "correct the driver's shunt, or `rails.VDD_IN.shunt_ohm` in the profile" in told


@pytest.mark.parametrize(("milliamps", "doubtful"), [(1_200, False), (3_000, True)])
def test_a_part_that_draws_more_than_its_whole_is_in_doubt(
    tree: FakeBoard, milliamps: int, doubtful: bool
) -> None:
    report = orin_nano(tree, {"curr3_input": milliamps})
    assert ("more than the 6.22 W of VDD_IN" in report.doubts.get("VDD_SOC", "")) == doubtful


def test_a_small_negative_current_of_one_rail_does_not_void_the_total(tree: FakeBoard) -> None:
    BOARDS["pi5"](tree)
    file = tree.dev / "vcio" / "pmic_read_adc"
    file.write_text(file.read_text().replace("current(22)=0.0", "current(22)=-0.00018"))
    assert "=-0.00018" in file.read_text()
    supply = report_of(tree, "raspberry-pi-5").supply
    assert supply is not None
    assert supply.quality == "modelled"  # a simulated board's
    assert supply.power_w == pytest.approx(5.3636 + 0.099 + 0.396, abs=1e-3)


def test_a_lone_rail_of_a_board_without_a_power_sensor_leaves_its_power_modelled(
    tree: FakeBoard,
) -> None:
    BOARDS["pi4"](tree)
    tree.ina3221("1-0040", [("VDD_SOMETHING", 5_000, 400), ("NC", 0, 0), ("NC", 0, 0)])
    supply = report_of(tree, "raspberry-pi-4b").supply
    assert supply is not None
    assert supply.rails == ["board"]


def test_a_lone_rail_of_an_unknown_board_is_not_its_supply(tree: FakeBoard) -> None:
    tree.ina3221("1-0040", [("VDD_SOMETHING", 5_000, 400), ("NC", 0, 0), ("NC", 0, 0)])
    tree.host()
    assert report_of(tree, None).supply is None
    tree.ina3221("1-0041", [("VDD_IN", 5_000, 800), ("NC", 0, 0), ("NC", 0, 0)])
    supply = report_of(tree, None).supply
    assert supply is not None
    assert supply.rails == ["VDD_IN"]


@pytest.mark.parametrize(
    ("board", "watts"),
    [
        ("jetson-orin-nano-8gb", 15.0),  # by the names of its power modes
        ("jetson-orin-nano-super-8gb", 25.0),
        ("jetson-orin-nx-super-16gb", 40.0),
        ("jetson-thor-t5000", 130.0),
        ("raspberry-pi-5", 27.0),
        ("generic-arm64", None),
    ],
)
def test_the_largest_power_that_a_profile_states_bounds_that_of_its_rails(
    board: str, watts: float | None
) -> None:
    assert known_of(BOARD_PROFILES[board]).board_w == watts
