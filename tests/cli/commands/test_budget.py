"""`budget` shows what is allowed and why, and changes only what is named."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from governed import Json, governor, limits
from rich.console import Console

from edge_rt.cli.views.budget import budget_tables, holds_back
from edge_rt.governor import report

Daemon = Any  # the scripted daemon of conftest.py
Cli = Any


def shown(state: Json) -> dict[str, str]:
    file = io.StringIO()
    Console(width=200, file=file).print(budget_tables(state))
    rows = [text.rstrip().split(None, 1) for text in file.getvalue().splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def test_budget_limits_and_the_reason() -> None:
    rows = shown(governor())
    assert rows["power"] == "8.00 W over any 1.00 s, 12.0 W at a peak"
    assert rows["temperature"] == "none"
    assert rows["energy"] == "50.0 kJ each day; 12.0 kJ are spent, 2 h 0 min to go"
    assert rows["guard"] == "caution"
    assert rows["allowed"] == "7.80 W, for the power cap; 0.200 W are kept free"
    assert rows["limits"] == "2 threads, 60 % of the time, 24 prompt tokens a pass"
    assert rows["forecast"] == "66.2 ± 1.4 °C in 30 s"
    assert rows["why"] == "the cap of 8.00 W holds the engine to 60 % of the time"


def test_clocks_that_are_limits_are_told() -> None:
    slow = limits(cpu_hz=1.6e9, gpu_hz=0.612e9, prefill_chunk=None)
    rows = shown(governor(limits=slow))
    assert rows["limits"] == ("2 threads, 60 % of the time, CPU up to 1.60 GHz, GPU up to 0.61 GHz")


def test_it_is_told_whether_anything_holds_back() -> None:
    assert holds_back(governor())
    assert not holds_back(governor(why=report.NOTHING))


def test_no_budget_and_no_sensors() -> None:
    nothing = dict.fromkeys(governor()["budget"]) | {"energy_period": "day"}
    unknown = dict.fromkeys(("allowance_w", "bound_by", "forecast_c", "band_c", "spent_j"))
    rows = shown(governor(budget=nothing, missing=["no power sensor: by heat"], **unknown))
    assert rows["power"] == rows["temperature"] == rows["energy"] == "none"
    assert rows["allowed"] == "as much as it takes"
    assert rows["forecast"] == "-"
    assert rows["missing"] == "no power sensor: by heat"


def test_a_cap_that_leaves_nothing_is_warned_of() -> None:
    warning = "The power budget of 3 W is not above the 3.4 W that the board draws idle"
    assert shown(governor(warnings=[warning]))["warning"] == warning


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"admission": "queue"}, "new requests wait"),
        (
            {"admission": "refuse", "retry_after_s": 90.0},
            "new requests are refused for 1 min 30 s or so",
        ),
        ({"smaller": True}, "smaller models answer"),
        ({"heavy": False}, "no further model is loaded"),
    ],
)
def test_what_is_held_back_is_said(changes: Json, words: str) -> None:
    assert words in shown(governor(limits=limits(**changes)))["limits"]


def test_only_the_power_cap_has_watts_that_are_kept_free() -> None:
    assert shown(governor(bound_by="temp_c"))["allowed"] == "7.80 W, for heat"


def test_a_forecast_that_is_not_believed_says_so() -> None:
    forecast = shown(governor(trusted=False, guard_in_s=95.0))["forecast"]
    assert forecast.endswith("too hot in 1 min 35 s if nothing is done; not believed")


def test_knobs_are_listed_with_their_faults() -> None:
    knob = {"name": "cpufreq", "wanted": "1.5 GHz", "value": "2.4 GHz", "before": "2.4 GHz"}
    rows = shown(governor(knobs=[knob | {"error": "no right to write it"}]))
    assert rows["cpufreq"].endswith("no right to write it")
    file = "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"
    rows = shown(governor(knobs=[knob | {"name": file, "error": None}]))
    assert rows["…/cpufreq/policy0/scaling_max_freq"].startswith("1.5 GHz")


@pytest.mark.parametrize(
    "file",
    [
        "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq",
        "/sys/devices/platform/bus@0/17000000.gpu/devfreq/17000000.gpu/max_freq",
        "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/constraint_0_power_limit_uw",
        "/sys/devices/platform/axi/axi:cooling_fan/hwmon/hwmon2/pwm1",
        "/srv/boards/robot/of/the/second/floor/sys/class/devfreq/57000000.gpu/max_freq",
    ],
)
def test_the_knobs_of_any_board_fit_80_columns(file: str) -> None:
    values = dict.fromkeys(("wanted", "value", "before"), "1020000000")
    shown = io.StringIO()
    knobs = [values | {"name": file, "error": None}]
    Console(width=80, file=shown).print(budget_tables(governor(knobs=knobs)))
    told = shown.getvalue().splitlines()
    assert max(map(len, told)) <= 80
    assert any("/".join(file.split("/")[-3:]) in line for line in told)


def test_knobs_are_told_as_people_read_them() -> None:
    bound = {"name": "affinity of process 23582 begun at tick 764511", "error": None}
    rows = shown(governor(knobs=[bound | {"wanted": "1", "value": "1", "before": "0,1"}]))
    assert rows["affinity"].split() == ["of", "process", "23582", "1", "1", "0,1"]
    fan = {"name": "/sys/devices/platform/pwm-fan/hwmon/hwmon2/pwm1", "error": None}
    rows = shown(governor(knobs=[fan | {"wanted": "1,128", "value": "1,128", "before": "2"}]))
    [told] = [row for name, row in rows.items() if name.endswith("/pwm1")]
    assert told.split("  ") == ["128 of 255", "128 of 255", "automatic (2)"]


@pytest.mark.parametrize(("option", "figure"), [("temp", "500"), ("temp", "150.5")])
def test_a_cap_that_no_daemon_takes_is_wrong_usage(cli: Cli, option: str, figure: str) -> None:
    result = cli("budget", f"--{option}", figure)
    assert result.exit_code == 2
    assert "150" in result.stderr


def test_it_is_shown_and_changed(cli: Cli, daemon: Daemon) -> None:
    daemon.documents["/edge/v1/budget"] = (200, governor())
    assert "8.00 W over any" in cli("budget").stdout
    assert daemon.asked == []
    result = cli("budget", "--power", "6.5", "--temp", "none", "--per", "hour", "--json")
    assert json.loads(result.stdout) == governor()
    change = {"power_w": 6.5, "temp_c": None, "energy_period": "hour"}
    assert daemon.asked == [("/edge/v1/budget", change)]


@pytest.mark.parametrize("word", ["-3", "0", "nan", "inf", "much"])
def test_what_is_no_cap_is_wrong_usage(cli: Cli, word: str) -> None:
    result = cli("budget", f"--power={word}")
    assert result.exit_code == 2
    assert "neither a positive number nor none" in result.stderr
