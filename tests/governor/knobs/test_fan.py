"""Fans are driven by hand and given back to whatever drove them."""

from __future__ import annotations

from pathlib import Path

import pytest
from knob_help import BOOT, at_once

from edge_rt.governor.knobs.fan import fan_knob, fan_targets
from edge_rt.governor.knobs.journal import Journal
from edge_rt.governor.knobs.knob import KnobError
from edge_rt.governor.knobs.turner import Turner
from edge_rt.testing.board import FakeBoard


def turner(tmp_path: Path) -> Turner:
    return Turner(Journal(tmp_path / "knobs.json"), fan_knob, BOOT, at_once)


def drive(tree: FakeBoard, tmp_path: Path, share: float) -> Turner:
    made = turner(tmp_path)
    for target in fan_targets(tree.sysfs, share):
        made.turn(target)
    return made


def test_a_fan_that_drives_itself_does_so_again(tree: FakeBoard, tmp_path: Path) -> None:
    tree.hwmon("tmp451", {"temp1_input": 40_000})
    folder = tree.hwmon("pwmfan", {"pwm1": 90, "pwm1_enable": 2})
    made = drive(tree, tmp_path, 0.6)
    assert (folder / "pwm1_enable").read_text() == "1\n"
    assert (folder / "pwm1").read_text() == "153\n"
    made.restore()
    assert (folder / "pwm1_enable").read_text() == "2\n"


def test_a_fan_that_was_driven_by_hand_gets_its_drive_back(tree: FakeBoard, tmp_path: Path) -> None:
    folder = tree.hwmon("pwmfan", {"pwm1": 90, "pwm1_enable": 1})
    drive(tree, tmp_path, 1.0).restore()
    assert (folder / "pwm1").read_text() == "90\n"
    assert (folder / "pwm1_enable").read_text() == "1\n"


def test_a_driver_without_modes_has_its_drive_set(tree: FakeBoard, tmp_path: Path) -> None:
    folder = tree.hwmon("pwm-fan", {"pwm1": 0})
    made = drive(tree, tmp_path, 1.0)
    assert (folder / "pwm1").read_text() == "255\n"
    assert not (folder / "pwm1_enable").exists()
    made.restore()
    assert (folder / "pwm1").read_text() == "0\n"


def test_a_fan_that_cannot_be_driven_is_not_left_without_a_driver(
    tree: FakeBoard, tmp_path: Path
) -> None:
    folder = tree.hwmon("pwmfan", {"pwm1_enable": 2})
    (folder / "pwm1").mkdir()  # which even root cannot write
    made = drive(tree, tmp_path, 0.5)
    assert [outcome.state for outcome in made.outcomes] == ["failed"]
    assert (folder / "pwm1_enable").read_text() == "2\n"
    assert Journal(tmp_path / "knobs.json").entries() == ()


def test_a_fan_that_the_kernel_takes_back_is_left_to_it(tree: FakeBoard, tmp_path: Path) -> None:
    folder = tree.hwmon("pwmfan", {"pwm1": 90, "pwm1_enable": 1})
    made = drive(tree, tmp_path, 0.2)
    tree.write(folder, {"pwm1": 125})
    made.look()
    made.restore()
    assert [outcome.state for outcome in made.outcomes] == ["moved"]
    assert (folder / "pwm1").read_text() == "125\n"


@pytest.mark.parametrize(("share", "state"), [(0.0, 0), (0.1, 1), (0.5, 2), (0.51, 3), (1.0, 4)])
def test_steps_of_a_cooling_device_cool_at_least_as_much(
    tree: FakeBoard, tmp_path: Path, share: float, state: int
) -> None:
    tree.cooling("cpufreq-cpu0", 0, 9)
    folder = tree.cooling("pwm-fan", 3, 4)
    made = drive(tree, tmp_path, share)
    assert int((folder / "cur_state").read_text()) == state
    made.restore()
    assert int((folder / "cur_state").read_text()) == 3


def test_fans_of_mainboards_are_not_touched(tree: FakeBoard) -> None:
    tree.hwmon("nct6775", {"pwm1": 90, "pwm1_enable": 5})
    with pytest.raises(KnobError, match="no pwmfan"):
        fan_targets(tree.sysfs, 0.5)


def test_it_belongs_to_its_device_and_not_to_the_number(tree: FakeBoard, tmp_path: Path) -> None:
    folder = tree.hwmon("pwmfan", {"pwm1": 90, "pwm1_enable": 2})
    made = drive(tree, tmp_path, 0.5)
    other = tree.write(folder.with_name("hwmon7"), {"pwm1": 10, "pwm1_enable": 2, "name": "x"})
    link = tree.sysfs / "class" / "hwmon" / "hwmon0"
    link.unlink()
    tree.link(link, other)
    made.restore()
    assert (folder / "pwm1_enable").read_text() == "2\n"
    assert (other / "pwm1").read_text() == "10\n"
