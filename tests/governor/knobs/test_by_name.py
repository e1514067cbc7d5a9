"""A name leads to its knob again, and a made-up one to nothing that could be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_rt.governor.knobs.board_knobs import by_name
from edge_rt.governor.knobs.clock_files import MaxClock
from edge_rt.governor.knobs.programs import NvpMode, ProgramResult


def nvpmodel(_arguments: Sequence[str], _said: str) -> ProgramResult:
    return ProgramResult(0, "")


@pytest.mark.parametrize("root", ["", "/tmp/board"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("/sys/devices/system/cpu/cpufreq/policy4/scaling_max_freq", MaxClock),
        ("/sys/class/devfreq/17000000.gpu/max_freq", MaxClock),
    ],
)
def test_files_are_found_below_any_root(root: str, name: str, kind: type) -> None:
    knob = by_name(f"{root}{name}", Path("/"))
    assert type(knob) is kind
    assert knob.name == f"{root}{name}"


def test_the_power_mode_is_there_where_its_program_is() -> None:
    assert type(by_name("nvpmodel", Path("/"), nvpmodel)) is NvpMode
    assert by_name("nvpmodel", Path("/")) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
        "/sys/devices/system/cpu/cpufreq/policy0/../policy0/scaling_max_freq",
        "/sys/class/devfreq/17000000.gpu/governor",
        "/sys/class/devfreq/17000000.gpu/device/max_freq",
        "/sys/devices/../../etc/hwmon0/pwm1",
        "/sys/class/thermal/cooling_device0/cur_state",
        "sys/devices/system/cpu/cpufreq/policy4/scaling_max_freq",
        "/sys/class/devfreq/17000000.gpu/max_freq\n",
        "/sys/devices/platform/pwm-fan/hwmon/hwmon3/pwm1",
        "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw",
        "affinity of process 42 begun at tick 7",
    ],
)
def test_nothing_else_is_a_knob(name: str) -> None:
    assert by_name(name, Path("/"), nvpmodel) is None
