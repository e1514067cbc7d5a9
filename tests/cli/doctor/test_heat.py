"""Temperatures, trip points, and what holds a board back."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import Faults
from foreign import FOREIGN, Expected
from patients import PI, Patient, commands

from edge_rt.board.readers.sysfs import FileIo
from edge_rt.cli.doctor.check_heat import check_answers, check_temperatures, check_throttling

Make = Callable[..., Patient]


def throttled(board: Patient, bits: int, alarm: int = 0) -> None:
    sysfs = board.tree.sysfs
    (sysfs / "devices/platform/soc/soc:firmware/get_throttled").write_text(f"{bits:x}\n")
    next(sysfs.glob("class/hwmon/hwmon*/in0_lcrit_alarm")).write_text(f"{alarm}\n")


@pytest.mark.parametrize(
    ("bits", "alarm", "level", "words"),
    [
        (0x0, 0, "ok", "nothing holds"),
        (0x1, 0, "problem", "too weak right now"),
        (0x0, 1, "problem", "too weak right now"),
        (0x50005, 1, "problem", "too weak right now"),
        (0x50000, 0, "note", "too weak since boot"),
        (0x2, 0, "note", "for heat right now (frequency capped)"),
        (0x20000, 0, "note", "for heat since boot (frequency capped)"),
        (0x70005, 1, "problem", "too weak right now"),
        (0x4, 0, "note", "for heat right now"),
        (0x8, 0, "note", "soft temperature limit"),
        (0x80000, 0, "note", "for heat since boot"),
    ],
)
def test_each_flag_of_a_pi_says_what_to_do(
    patient: Make, bits: int, alarm: int, level: str, words: str
) -> None:
    board = patient("pi5")
    throttled(board, bits, alarm)
    (found,) = board.says(check_throttling)
    assert (found.level, words in found.what) == (level, True)
    if level == "problem":
        assert "27 W supply" in commands([found])


def test_a_temperature_that_no_chip_can_have_is_told_and_does_not_count(patient: Make) -> None:
    board = patient("orin-nano")
    (board.tree.sysfs / "class/thermal/thermal_zone1/temp").write_text("200000\n")
    found = {f.level: f.what for f in board.says(check_temperatures) if f.id == "temperature"}
    assert "the hottest of 4" in found["ok"]
    assert "200.0" not in found["ok"]
    assert "gpu-thermal does not count: temp_c is 200 °C, which cannot be" in found["note"]


def test_weak_supply_and_heat_are_told_apart(patient: Make) -> None:
    board = patient("pi4")
    throttled(board, 0x9)
    assert [f.level for f in board.says(check_throttling)] == ["problem", "note"]


def test_a_jetson_that_throttles_says_so(patient: Make) -> None:
    board = patient("orin-nano")
    (board.tree.sysfs / "class/thermal/cooling_device0/cur_state").write_text("1\n")
    (found,) = board.says(check_throttling)
    assert "cpu-throttle-alert" in found.what


def test_a_zone_without_interest_is_not_the_hottest(patient: Make) -> None:
    found = patient("xavier-nx-jp4").says(check_temperatures)
    assert "38.0 °C in AO-therm, the hottest of 1" in found[0].what


def test_a_gated_zone_may_be_silent_and_another_may_not(patient: Make, faults: Faults) -> None:
    board = patient("thor", io=faults.io)
    zones = {
        path.read_text().strip(): path.with_name("temp")
        for path in board.tree.sysfs.glob("class/thermal/thermal_zone*/type")
    }
    for name, count in (("gpu-thermal", 0), ("cpu-thermal", 1)):
        faults.errors[zones[name]] = [errno.EAGAIN]
        silent = [f for f in board.says(check_temperatures) if "gives none" in f.what]
        assert len(silent) == count


def test_events_in_which_the_board_spared_its_supply_are_counted(patient: Make) -> None:
    board = patient("orin-nano")
    counts = {"oc1_event_cnt": 0, "oc2_event_cnt": 2, "oc3_event_cnt": 0}
    board.tree.hwmon("soctherm_oc", counts)
    (found,) = board.says(check_throttling)
    assert (found.level, found.what) == (
        "note",
        "the board slowed down since boot to spare its supply (oc2_event_cnt 2)",
    )


def test_a_sensor_that_does_not_answer_is_to_be_mended(patient: Make) -> None:
    gate = threading.Event()

    def pread(fd: int, size: int, offset: int) -> bytes:
        if "thermal_zone0" in str(Path(f"/proc/self/fd/{fd}").readlink()):
            gate.wait(60)
        return os.pread(fd, size, offset)

    board = patient("orin-nano", io=FileIo(pread=pread))
    (found,) = board.says(check_answers)
    hottest, silent, *_ = board.says(check_temperatures)
    gate.set()
    assert (found.level, "thermal_zone0" in found.what) == ("problem", True)
    assert (hottest.level, "the hottest of" in hottest.what) == ("ok", True)
    assert (silent.level, "cpu-thermal gives none: no answer" in silent.what) == ("note", True)


def test_what_the_firmware_does_of_its_own_is_told_beside_the_kernels(patient: Make) -> None:
    found = patient("pi5").says(check_temperatures)[1]
    assert found.what.endswith("critical 110 °C; by the profile: slows from 80 °C, hot 85 °C")


def test_the_profiles_trip_points_stand_in_for_the_kernels(patient: Make) -> None:
    board = patient("nano")
    for path in board.tree.sysfs.glob("class/thermal/thermal_zone*/trip_point_*"):
        path.unlink()
    found = board.says(check_temperatures)
    assert "by the profile: hot 98.5 °C, off 102.5 °C" in found[1].what


def test_an_unknown_trip_point_names_the_key_that_states_it(patient: Make) -> None:
    board = patient("x86")
    for path in board.tree.sysfs.glob("class/*/*/*"):
        if path.name.startswith("trip_point_") or path.name in ("temp1_max", "temp1_crit"):
            path.unlink()
    [found] = [f for f in board.says(check_temperatures) if f.id == "trip points"]
    assert found.level == "note"
    assert "neither the kernel nor the board's profile states a trip point" in found.what
    assert "90 °C is assumed" in found.what
    assert "thermal.trips.throttle_c" in commands([found])


@pytest.mark.parametrize(
    ("cpu", "module"), [("GenuineIntel", "coretemp"), ("AuthenticAMD", "k10temp")]
)
def test_a_computer_without_temperatures_wants_a_module(
    patient: Make, cpu: str, module: str
) -> None:
    board = patient(user=PI)
    name = "AMD Ryzen" if "AMD" in cpu else "Intel N100"
    text = f"vendor_id : {cpu}\nmodel name : {name}\nflags : lm\n"
    (board.root / "proc" / "cpuinfo").write_text(text)
    (found,) = board.says(check_temperatures)
    assert found.level == "problem"
    assert f"sudo modprobe {module}" in found.remedy


@pytest.mark.parametrize(
    ("kind", "expected"), [(k, e) for k, (_, e) in FOREIGN.items() if e.zone is not None]
)
def test_boards_that_nobody_knows(patient: Make, kind: str, expected: Expected) -> None:
    board = patient()
    FOREIGN[kind][0](board.tree)
    found = board.says(check_temperatures)[0]
    assert found.what.startswith(f"{expected.temp_c:.1f} °C in {expected.zone}, the hottest of ")


def test_zones_that_do_not_count_say_why(patient: Make) -> None:
    board = patient()
    FOREIGN["tx2"][0](board.tree)
    told = board.says(check_temperatures)[0].what
    assert "not counted: Tboard_tegra (it is the board's or case's), PMIC-Die (" in told


def test_of_many_zones_that_do_not_count_the_first_are_told(patient: Make) -> None:
    board = patient()
    FOREIGN["laptop"][0](board.tree)
    assert board.says(check_temperatures)[0].what.endswith(") and 4 more")


def test_a_radio_is_no_temperature_of_the_board(patient: Make) -> None:
    board = patient()
    FOREIGN["radio"][0](board.tree)
    (found,) = board.says(check_temperatures)
    assert found.level == "problem"
    assert found.what.endswith("; not counted: iwlwifi_1 (it is a radio's)")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("intel", "coretemp Package id 0 limit 105 °C, coretemp Core 0 limit 105 °C"),
        ("amd-published", "k10temp Tctl limit 100 °C, amdgpu edge limit 94 °C"),
        ("amd", "none is published: 95 °C"),
        ("tx2", "BCPU-therm passive 95.5 °C, BCPU-therm critical 101 °C"),
    ],
)
def test_where_boards_that_nobody_knows_slow_down(patient: Make, kind: str, words: str) -> None:
    board = patient()
    FOREIGN[kind][0](board.tree)
    assert words in board.says(check_temperatures)[1].what
