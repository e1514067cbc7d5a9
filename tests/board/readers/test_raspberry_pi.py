"""Rails of the Raspberry Pi 5 from the firmware's answers."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from faults import figures
from hypothesis import given
from hypothesis import strategies as st
from told import Told
from trees import PI5_PAIRS, pmic_answer

from edge_rt.board.readers.raspberry_pi import RAILS, PiPmicReader, PiThrottled, parse_figures

LOADED = {"VDD_CORE": (6.22421, 0.861733), "DDR_VDD2": (0.09, 1.1), "3V3_SYS": (0.12, 3.3)}
REFUSED = 'error=1 error_msg="Command not registered"'


def test_a_capture_of_all_rails() -> None:
    got = figures(PiPmicReader(Told(pmic_answer(LOADED))))
    assert got["VDD_CORE", "power_w"] == pytest.approx(5.3636, abs=1e-4)
    assert got["VDD_CORE", "current_a"] == pytest.approx(6.22421)
    assert got["PMIC", "power_w"] == pytest.approx(5.3636 + 0.099 + 0.396, abs=1e-4)
    assert got["HDMI", "power_w"] == 0.0
    assert got["EXT5V", "voltage_v"] == pytest.approx(5.09066)
    assert set(PI5_PAIRS) == set(RAILS)


def test_a_single_line_is_read() -> None:
    assert parse_figures("EXT5V_V volt(24)=5.09066000V") == {"EXT5V_V": 5.09066}


def test_a_missing_line_costs_its_rail_and_the_total() -> None:
    answer = pmic_answer(LOADED)
    lines = [line for line in answer.splitlines() if "VDD_CORE_A" not in line]
    got = figures(PiPmicReader(Told(answer, "\n".join(lines))))
    assert got["VDD_CORE", "power_w"] is None
    assert got["VDD_CORE", "voltage_v"] == pytest.approx(0.861733)
    assert got["PMIC", "power_w"] is None
    assert got["DDR_VDD2", "power_w"] == pytest.approx(0.099)


def test_a_current_a_little_below_nothing_is_none() -> None:
    got = figures(PiPmicReader(Told(pmic_answer(LOADED | {"HDMI": (-0.00018, 5.0)}))))
    assert got["HDMI", "power_w"] == 0.0
    assert got["HDMI", "current_a"] == pytest.approx(-0.00018)
    assert got["PMIC", "power_w"] == pytest.approx(5.3636 + 0.099 + 0.396, abs=1e-4)


@pytest.mark.parametrize(
    ("amps", "volts", "told"),
    [(-3.0, 1.1, "current_a is -3 A"), (90.0, 1.1, "current_a is 90 A"), (1.0, 9.0, "9 V")],
)
def test_what_no_regulator_gives_is_refused_with_the_total(
    amps: float, volts: float, told: str
) -> None:
    reader = PiPmicReader(Told(pmic_answer(LOADED | {"DDR_VDD2": (amps, volts)})))
    got = figures(reader)
    assert got["DDR_VDD2", "power_w"] is got["PMIC", "power_w"] is None
    assert got["VDD_CORE", "power_w"] is not None
    at = [(c.name, c.kind) for c in reader.channels].index(("PMIC", "power_w"))
    assert "DDR_VDD2" in (reader.errors[at] or "")
    assert told in (reader.errors[at] or "")


def test_a_firmware_without_the_command_leaves_no_channels() -> None:
    reader = PiPmicReader(Told(REFUSED))
    assert reader.channels == ()
    assert "Command not registered" in reader.skipped[0].reason
    assert list(reader.read()) == []


def test_a_firmware_that_fails_comes_back() -> None:
    failing = OSError(errno.EACCES, "Permission denied")
    reader = PiPmicReader(Told(failing, failing, pmic_answer(LOADED)))
    assert set(reader.read()) == {None}
    assert "Permission denied" in (reader.errors[0] or "")
    assert figures(reader)["PMIC", "power_w"] is not None


@given(st.text(max_size=200))
def test_no_answer_ever_raises(answer: str) -> None:
    reader = PiPmicReader(Told(pmic_answer(LOADED), answer))
    assert len(reader.read()) == len(reader.errors)
    flags = PiThrottled(Path("/nowhere"), Told(answer))
    assert all(value in (None, 0.0, 1.0) for value in flags.read())
