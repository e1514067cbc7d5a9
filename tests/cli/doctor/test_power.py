"""What keeps power from being measured is told chip by chip, with what mends it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import Faults
from patients import PI, ROOT, Patient, commands, denied

from edge_rt.board.discovery import Roots
from edge_rt.board.readers.base import BaseReader, Channel
from edge_rt.board.readers.rapl import udev_rule
from edge_rt.cli.doctor.check_heat import check_answers
from edge_rt.cli.doctor.check_power import check_power
from edge_rt.core.reports.finding import Finding, note

Make = Callable[..., Patient]
KIOSK = """
extends: generic-x86
name: A kiosk with a power meter
rails: {meter: {source: [meter]}}
totals: [{rails: [meter], covers: board, source: [meter]}]
"""


def counters(board: Patient) -> list[Path]:
    return list((board.tree.sysfs / "class" / "powercap").glob("*/energy_uj"))


def only(findings: list[Finding], level: str) -> Finding:
    (one,) = [finding for finding in findings if finding.level == level]
    return one


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM])
def test_refused_counters_are_mended_by_the_rule(patient: Make, faults: Faults, error: int) -> None:
    board = patient("x86", user=PI, io=faults.io)
    for path in counters(board):
        faults.errors[path] = [error]
    found = only(board.says(check_power), "problem")
    assert "energy counters" in found.what
    lines = commands([found])
    assert "/bin/chgrp edge-rt /sys%p/energy_uj" in lines
    assert "sudo udevadm trigger --subsystem-match=powercap" in lines
    assert "sudo usermod -aG edge-rt pi" in lines


def test_installed_rules_need_only_be_triggered(patient: Make, faults: Faults) -> None:
    board = patient("x86", user=ROOT, io=faults.io)
    for path in counters(board):
        faults.errors[path] = [errno.EACCES]
    rules = board.root / "etc" / "udev" / "rules.d"
    rules.mkdir(parents=True)
    (rules / "60-edge-rt.rules").touch()
    lines = commands(board.says(check_power))
    assert "chgrp" not in lines
    assert "udevadm trigger --subsystem-match=powercap" in lines


def test_the_rule_as_told_is_the_rule_when_its_commands_are_run(
    patient: Make, faults: Faults, tmp_path: Path
) -> None:
    board = patient("x86", io=faults.io)
    for path in counters(board):
        faults.errors[path] = [errno.EACCES]
    remedy = "\n".join(f"      {line}" for line in only(board.says(check_power), "problem").remedy)
    target = tmp_path / "rules"
    script = remedy.replace("/etc/udev/rules.d/60-edge-rt.rules", str(target))
    stubs = "getent() { :; }; udevadm() { :; }\n"
    subprocess.run(["sh", "-ec", stubs + script], check=True, stdout=subprocess.DEVNULL)
    assert target.read_text() == f"{udev_rule('edge-rt')}\n"


def test_no_counters_on_a_real_computer_are_a_missing_module(patient: Make) -> None:
    board = patient("x86", user=PI)
    for path in counters(board):
        path.unlink()
    assert "sudo modprobe intel_rapl_msr" in commands(board.says(check_power))


@pytest.mark.parametrize("mark", ["cpuinfo", "dmi", "container"])
def test_where_there_is_no_real_board_nothing_is_to_be_mended(patient: Make, mark: str) -> None:
    board = patient("x86")
    for path in counters(board):
        path.unlink()
    if mark == "cpuinfo":
        file = board.root / "proc" / "cpuinfo"
        file.write_text(file.read_text().replace("sse", "sse hypervisor"))
    elif mark == "dmi":
        board.tree.write(board.tree.sysfs / "class" / "dmi" / "id", {"sys_vendor": "QEMU"})
    else:
        (board.root / ".dockerenv").touch()
    found = board.says(check_power)
    assert {f.level for f in found} == {"note"}
    assert ("container" if mark == "container" else "virtual machine") in found[0].what


def test_a_mailbox_that_belongs_to_a_group_wants_its_members(patient: Make) -> None:
    board = patient("pi5", user=PI)
    vcio = board.tree.dev / "vcio"
    for file in vcio.iterdir():
        file.unlink()  # so that no figures come
    gid = next(g for g in (44, 27) if g)
    os.chown(vcio, -1, gid)
    lines = commands(board.says(check_power, access=denied(vcio)))
    assert "sudo usermod -aG " in lines
    assert "rules.d" not in lines
    os.chown(vcio, -1, 0)
    lines = commands(board.says(check_power, access=denied(vcio)))
    assert 'KERNEL=="vcio", GROUP="video", MODE="0660"' in lines
    assert "sudo usermod -aG video pi" in lines


def test_a_missing_mailbox_and_a_firmware_without_the_command(patient: Make) -> None:
    board = patient("pi5", user=PI)
    error = 'error=1 error_msg="Command not registered"'
    (board.tree.dev / "vcio" / "pmic_read_adc").write_text(error)
    assert "rpi-eeprom-update -a" in commands(board.says(check_power))
    (board.tree.dev / "vcio" / "pmic_read_adc").write_text("no figures")
    found = only(board.says(check_power), "problem")
    assert "cannot be read: 3V7_WL_SW: 3V7_WL_SW is missing" in found.what
    assert "rpi-eeprom-update -a" in commands([found])
    for file in (board.tree.dev / "vcio").iterdir():
        file.unlink()
    (board.tree.dev / "vcio").rmdir()
    assert "sudo modprobe vcio" in commands(board.says(check_power))


def test_a_chip_without_a_driver_wants_its_module(patient: Make) -> None:
    board = patient("orin-nano", user=PI)
    hwmon = next(board.tree.sysfs.glob("class/hwmon/hwmon*/in1_label")).parent
    hwmon.unlink()
    chip = board.tree.sysfs / "bus" / "i2c" / "devices" / "1-0040"
    (chip / "driver").unlink()
    (board.tree.sysfs / "bus" / "i2c" / "drivers" / "ina3221" / "1-0040").unlink()
    found = only(board.says(check_power), "problem")
    assert "the INA3221 is not there (" in found.what
    assert "sudo modprobe ina3221" in commands([found])


def test_a_bus_that_may_not_be_opened_wants_group_i2c(patient: Make) -> None:
    board = patient("orin-nano", user=PI)
    next(board.tree.sysfs.glob("class/hwmon/hwmon*/in1_label")).parent.unlink()
    for place in ("devices", "drivers/ina3221"):
        (board.tree.sysfs / "bus" / "i2c" / place / "1-0040").unlink()
    found = only(board.says(check_power), "problem")
    assert "it takes the module i2c-dev and group i2c" in found.what
    assert "sudo modprobe ina3221" in found.remedy


def test_rails_of_jetpack_4_that_only_root_may_read(patient: Make, faults: Faults) -> None:
    board = patient("nano", user=PI, io=faults.io)
    for path in board.tree.sysfs.glob("bus/i2c/drivers/ina3221x/*/iio:device*/in_*_input"):
        faults.errors[path] = [errno.EACCES]
    found = only(board.says(check_power), "problem")
    assert "--subsystem-match=iio" in commands([found])
    assert "chgrp edge-rt /sys%p/in_*_input /sys%p/rail_name_*" in commands([found])


def test_a_broken_rail_tells_its_error(patient: Make, faults: Faults) -> None:
    board = patient("orin-nano", io=faults.io)
    folder = next(board.tree.sysfs.glob("class/hwmon/hwmon*/in1_label")).parent
    for path in (folder / "in1_input", folder.resolve() / "in1_input"):
        faults.errors[path] = [errno.EIO]
    found = only(board.says(check_power), "problem")
    assert "the INA3221 cannot be read: VDD_IN: " in found.what
    assert "EIO" in found.what


def rewrite(board: Patient, **files: int) -> None:
    folder = next(board.tree.sysfs.glob("class/hwmon/hwmon*/in1_label")).parent
    board.tree.write(folder, files)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"in1_input": 0, "curr1_input": 1040}, "1.04 A flow at 0.00 V, which cannot be"),
        ({"curr1_input": 65_535}, "current_a is 65.5"),
        ({"in1_input": 32_767, "curr1_input": 32_767}, "voltage_v is 32.77 V, which cannot be"),
    ],
)
def test_a_power_that_cannot_be_is_a_problem(
    patient: Make, files: dict[str, int], words: str
) -> None:
    board = patient("orin-nano")
    rewrite(board, **files)
    found = only(board.says(check_power), "problem")
    assert "the INA3221 cannot be read: VDD_IN: " in found.what
    assert words in found.what


def test_a_part_that_cannot_be_is_told_beside_the_supply(patient: Make) -> None:
    board = patient("orin-nano")
    rewrite(board, in3_input=0, curr3_input=1040)
    found = only(board.says(check_power), "problem")
    assert "VDD_SOC does not count: 1.04 A flow at 0.00 V" in found.what


def test_a_part_that_draws_more_than_its_whole_is_a_problem(patient: Make) -> None:
    board = patient("orin-nano")
    rewrite(board, curr3_input=3_000)
    assert "more than the 6.22 W of VDD_IN" in only(board.says(check_power), "problem").what


def test_a_shunt_of_the_driver_that_is_not_the_profiles_is_a_problem(patient: Make) -> None:
    board = patient("orin-nano", user=PI)
    rewrite(board, shunt1_resistor=5_000)
    assert {f.level for f in board.says(check_power)} == {"ok"}
    rewrite(board, shunt1_resistor=10_000)
    found = only(board.says(check_power), "problem")
    assert "set to a shunt of 10 mΩ, the board's profile states 5 mΩ" in found.what
    assert "draws 2 times the power shown" in found.what
    assert "echo 5000 | sudo tee " in commands([found])
    assert "/shunt1_resistor" in commands([found])


@pytest.mark.parametrize("gone", ["files", "enable", "label"])
def test_a_chip_without_its_first_channel_tells_what_is_missing(patient: Make, gone: str) -> None:
    board = patient("orin-nano")
    folder = next(board.tree.sysfs.glob("class/hwmon/hwmon*/in1_label")).parent
    if gone == "files":
        for name in ("in1_input", "in1_label", "in1_enable", "curr1_input"):
            (folder / name).unlink()
    elif gone == "enable":
        rewrite(board, in1_enable=0)
    else:
        (folder / "in1_label").write_text("NC\n")
    found = only(board.says(check_power), "problem")
    assert "no driver" not in found.what
    assert "shows VDD_CPU_GPU_CV, VDD_SOC, but not VDD_IN" in found.what
    assert {"files": "no such channel", "enable": "disabled", "label": "not connected"}[
        gone
    ] in found.what


def test_a_lone_rail_of_an_unknown_board_is_not_the_boards_power(patient: Make) -> None:
    board = patient()
    board.tree.ina3221("1-0040", [("VDD_SOMETHING", 5_000, 400), ("NC", 0, 0), ("NC", 0, 0)])
    board.tree.host()
    found = only(board.says(check_power), "note")
    assert "no profile says how to add up VDD_SOMETHING" in found.what


class UsbMeter(BaseReader):
    """A reader of another package, of the watts in a file."""

    def __init__(self, roots: Roots) -> None:
        self._file = roots.sysfs / "meter"
        super().__init__("usbmeter", [Channel("meter", "power_w", str(self._file))], 1.0)

    def _read(self) -> None:
        self._set(0, float(self._file.read_text()))

    def diagnose(self, supply_w: float | None = None) -> list[Finding]:
        return [note("usbmeter", f"its shunt is hot at {self.raised['meter']:g} W", "sudo rest")]


def test_a_reader_of_another_package_says_what_is_wrong_with_it(patient: Make) -> None:
    board = patient("x86", others={"usbmeter": lambda: UsbMeter}, user=ROOT)
    (board.tree.sysfs / "meter").write_text("7.3")
    expected = Finding("usbmeter", "note", "its shunt is hot at 7.3 W", ("rest",))
    assert board.says(check_answers) == [expected]


def test_a_reader_of_another_package_gives_the_power_once_a_total_names_it(patient: Make) -> None:
    board = patient("x86", others={"usbmeter": lambda: UsbMeter})
    for counter in counters(board):
        counter.unlink()
    (board.tree.sysfs / "meter").write_text("7.3")
    named = "no total of the profile names meter"
    assert any(named in finding.what for finding in board.says(check_power))
    (board.etc / "boards.d").mkdir()
    (board.etc / "boards.d" / "sources.yaml").write_text("meter: at the supply\n")
    (board.etc / "boards.d" / "kiosk.yaml").write_text(KIOSK)
    board.paths.config_file.write_text("board: kiosk\n")
    assert only(board.says(check_power), "ok").what == "7.30 W for the board, measured on meter"


def test_a_board_without_a_sensor_tells_what_the_figures_rest_on(patient: Make) -> None:
    found = only(patient("pi4").says(check_power), "note")
    assert "modelled" in found.what
    assert "2.9 W idle, 5 W busy" in found.what


def test_rails_that_no_profile_adds_up_lead_to_the_page_on_profiles(patient: Make) -> None:
    board = patient()
    (board.root / "proc" / "cpuinfo").write_text("CPU architecture: 8\n")
    board.tree.ina3221("1-0040", [("GPU", 19_000, 400), ("CPU", 19_000, 100), ("NC", 0, 0)])
    board.paths.config_file.write_text("board: generic-arm64\n")
    found = only(board.says(check_power), "note")
    assert "does not say how to add up GPU, CPU" in found.what
    assert f"{board.etc}/boards.d" in found.remedy[0]
    assert "Describe a board of your own" in found.remedy[0]
