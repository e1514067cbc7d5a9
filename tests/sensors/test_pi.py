"""The Raspberry Pi's firmware, its answers and its flags."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import pytest
from faults import figures
from hypothesis import given
from hypothesis import strategies as st
from trees import PI5_PAIRS, Tree, pi4, pi5, pmic_answer

from edge_rt.sensors.pi_pmic import RAILS, PiPmic, parse
from edge_rt.sensors.pi_throttled import PiThrottled
from edge_rt.sensors.pi_throttled import parse as parse_flags
from edge_rt.sensors.pi_volt import PiVolt
from edge_rt.sensors.videocore import FirmwareFiles, Mailbox, Vcgencmd, refusal

LOADED = {"VDD_CORE": (6.22421, 0.861733), "DDR_VDD2": (0.09, 1.1), "3V3_SYS": (0.12, 3.3)}
REFUSED = 'error=1 error_msg="Command not registered"'


class Told:
    """A firmware that answers what it was told, or raises it."""

    source = "told"

    def __init__(self, *answers: str | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def ask(self, command: str) -> str:
        self.asked.append(command)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        self.answers = [OSError("closed")]


def test_a_capture_of_all_rails() -> None:
    got = figures(PiPmic(Told(pmic_answer(LOADED))))
    assert got["VDD_CORE", "power_w"] == pytest.approx(5.3636, abs=1e-4)
    assert got["VDD_CORE", "current_a"] == pytest.approx(6.22421)
    assert got["PMIC", "power_w"] == pytest.approx(5.3636 + 0.099 + 0.396, abs=1e-4)
    assert got["HDMI", "power_w"] == 0.0
    assert got["EXT5V", "voltage_v"] == pytest.approx(5.09066)
    assert set(PI5_PAIRS) == set(RAILS)


def test_a_single_line_is_read() -> None:
    assert parse("EXT5V_V volt(24)=5.09066000V") == {"EXT5V_V": 5.09066}


def test_a_missing_line_costs_its_rail_and_the_total() -> None:
    answer = pmic_answer(LOADED)
    lines = [line for line in answer.splitlines() if "VDD_CORE_A" not in line]
    got = figures(PiPmic(Told(answer, "\n".join(lines))))
    assert got["VDD_CORE", "power_w"] is None
    assert got["VDD_CORE", "voltage_v"] == pytest.approx(0.861733)
    assert got["PMIC", "power_w"] is None
    assert got["DDR_VDD2", "power_w"] == pytest.approx(0.099)


def test_a_firmware_without_the_command_leaves_no_channels() -> None:
    reader = PiPmic(Told(REFUSED))
    assert reader.channels == ()
    assert "Command not registered" in reader.skipped[0].reason
    assert list(reader.read()) == []


def test_a_firmware_that_fails_comes_back() -> None:
    failing = OSError(errno.EACCES, "Permission denied")
    reader = PiPmic(Told(failing, failing, pmic_answer(LOADED)))
    assert set(reader.read()) == {None}
    assert "Permission denied" in (reader.errors[0] or "")
    assert figures(reader)["PMIC", "power_w"] is not None


@given(st.text(max_size=200))
def test_no_answer_ever_raises(answer: str) -> None:
    reader = PiPmic(Told(pmic_answer(LOADED), answer))
    assert len(reader.read()) == len(reader.errors)
    flags = PiThrottled(Path("/nowhere"), Told(answer))
    assert all(value in (None, 0.0, 1.0) for value in flags.read())


@pytest.mark.parametrize("text", ["throttled=0x50005\n", "50005", "0x50005"])
def test_flags_by_bit(text: str) -> None:
    assert parse_flags(text) == 0x50005


@given(st.integers(0, (1 << 20) - 1))
def test_flags_from_firmware(bits: int) -> None:
    got = figures(PiThrottled(Path("/nowhere"), Told(f"throttled={bits:#x}")))
    expected = {0: "under_voltage", 1: "frequency_capped", 2: "throttled"}
    for bit, name in (expected | {3: "soft_temperature_limit"}).items():
        assert got[name, "flag"] == bits >> bit & 1
        assert got[f"{name}_occurred", "flag"] == bits >> (bit + 16) & 1


def test_the_kernels_copy_of_the_flags_is_preferred(tree: Tree) -> None:
    pi5(tree)
    firmware = Told("throttled=0x0")
    got = figures(PiThrottled(tree.sysfs, firmware))
    assert firmware.asked == []
    assert got["under_voltage", "flag"] == 1.0
    assert got["frequency_capped", "flag"] == 0.0


def test_no_flags_anywhere(tree: Tree) -> None:
    assert PiThrottled(tree.sysfs).channels == ()
    assert PiThrottled(tree.sysfs).skipped[0].name == "pi-throttled"


def test_alarm_and_voltages(tree: Tree) -> None:
    pi4(tree)
    got = figures(PiVolt(tree.sysfs))
    assert got["under_voltage_alarm", "flag"] == 1.0
    assert got["core", "voltage_v"] == pytest.approx(0.88)


def test_an_alarm_that_is_neither_on_nor_off_is_missing(tree: Tree) -> None:
    pi4(tree)
    reader = PiVolt(tree.sysfs)
    alarm = next((tree.sysfs / "class" / "hwmon").glob("*/in0_lcrit_alarm"))
    alarm.write_text("2\n")
    assert figures(reader)["under_voltage_alarm", "flag"] is None


def test_the_mailbox_speaks_the_property_protocol(tmp_path: Path) -> None:
    device = tmp_path / "vcio"
    device.touch()
    seen: list[tuple[int, bytes]] = []

    def ioctl(fd: int, request: int, message: bytearray) -> int:
        seen.append((request, bytes(message)))
        text = b"a=1\0b=2\0"
        struct.pack_into("=6I", message, 0, len(message), 0x80000000, 0x30080, 1024, 8, 0)
        message[24 : 24 + len(text)] = text
        return 0

    mailbox = Mailbox(device, ioctl)
    assert mailbox.ask("pmic_read_adc").splitlines()[:2] == ["a=1", "b=2"]
    request, message = seen[0]
    assert request == 0xC0086400
    assert struct.unpack_from("=6I", message) == (len(message), 0, 0x00030080, 1024, 0, 0)
    assert message[24:38] == b"pmic_read_adc\0"
    assert message[-4:] == b"\0\0\0\0"
    mailbox.close()


def test_a_mailbox_that_fails_is_opened_anew(tmp_path: Path) -> None:
    device = tmp_path / "vcio"
    mailbox = Mailbox(device, lambda *_: 0)
    with pytest.raises(OSError, match="vcio"):
        mailbox.ask("get_throttled")
    device.touch()
    with pytest.raises(OSError, match="status 0x0"):
        mailbox.ask("get_throttled")
    mailbox.close()


def test_the_program_is_run_for_each_command(tmp_path: Path) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\necho "asked $1 $2"\n')
    program.chmod(0o755)
    assert Vcgencmd(str(program)).ask("pmic_read_adc EXT5V_V") == "asked pmic_read_adc EXT5V_V\n"
    with pytest.raises(OSError, match="none"):
        Vcgencmd(str(tmp_path / "none")).ask("get_throttled")


def test_a_folder_of_answers(tree: Tree) -> None:
    pi5(tree)
    firmware = FirmwareFiles(tree.dev / "vcio")
    assert figures(PiPmic(firmware))["PMIC", "power_w"] == pytest.approx(5.8586, abs=1e-4)
    with pytest.raises(OSError, match="measure_temp"):
        firmware.ask("measure_temp")


def test_refusals() -> None:
    assert refusal(REFUSED) == "Command not registered"
    assert refusal("throttled=0x0") is None
