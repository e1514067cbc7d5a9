"""A budget that no board could keep is told, with what would do, and so are knobs that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import board_reports as boards
import pytest
from governed import governor
from patients import Patient, commands

from edge_rt.cli.doctor.check_power import check_budget
from edge_rt.cli.text import Json
from edge_rt.core.reports.finding import Finding

Make = Callable[..., Patient]
Daemon = Any  # the scripted daemon of tests/cli/conftest.py


def budget(**caps: Any) -> Json:
    return dict.fromkeys(governor()["budget"]) | {"power_window_s": 1.0} | caps


def found(
    board: Patient,
    daemon: Daemon,
    power_w: float | None = 4.0,
    temp_c: float | None = 50.0,
    **told: Any,
) -> list[Finding]:
    read = {"power_w": power_w, "temp_c": temp_c}
    status = boards.status(board=read, governor=governor(**told))
    daemon.documents["/edge/v1/status"] = (200, status)
    return list(check_budget(board.machine(socket=daemon.path)))


def test_a_budget_that_leaves_room_is_fine(patient: Make, daemon: Daemon) -> None:
    (one,) = found(patient("pi5"), daemon, budget=budget(power_w=8.0, temp_c=70.0))
    assert (one.level, one.what) == ("ok", "8.00 W, 70.0 °C")


@pytest.mark.parametrize(
    ("caps", "what", "remedy"),
    [
        (
            {"power_w": 3.0},
            "3.00 W cannot be kept: the board draws 3.50 W when idle",
            "edge-rt budget --power 5.2",
        ),
        (
            {"energy_j": 200_000.0, "energy_period": "day"},
            "200 kJ each day cannot be kept: the board draws 3.50 W when idle, 302 kJ",
            "edge-rt budget --energy 453600",
        ),
        (
            {"energy_j": 10_000.0, "energy_period": "hour"},
            "10.0 kJ each hour cannot be kept",
            "edge-rt budget --energy 18900",
        ),
    ],
)
def test_one_below_the_idle_power_is_a_problem(
    patient: Make, daemon: Daemon, caps: Json, what: str, remedy: str
) -> None:
    (one,) = found(patient("pi5"), daemon, budget=budget(**caps))
    assert one.level == "problem"
    assert what in one.what
    assert one.remedy[0] == remedy


def test_idle_power_that_nobody_has_measured_is_told_as_a_models(
    patient: Make, daemon: Daemon
) -> None:
    (one,) = found(patient("pi5"), daemon, power_w=None, budget=budget(power_w=3.0))
    end = "cannot be kept: the board draws about 3.50 W when idle, by a model of it"
    assert one.what.endswith(end)


def test_a_cap_of_heat_that_nobody_can_read_is_a_problem(patient: Make, daemon: Daemon) -> None:
    board = patient("pi5")
    one = found(board, daemon, temp_c=None, budget=budget(temp_c=70.0))[-1]
    assert (one.level, "no temperature can be read" in one.what) == ("problem", True)
    assert "edge-rt budget --temp none" in commands([one])
    assert [f.level for f in found(board, daemon, budget=budget(temp_c=70.0))] == ["ok"]


def test_without_a_daemon_the_configuration_and_the_profile_tell(patient: Make) -> None:
    board = patient("pi5")
    assert board.says(check_budget) == []
    board.paths.config_file.write_text("budget: {power_w: 1.5}\n")
    (one,) = board.says(check_budget)
    assert one.level == "problem"
    assert f"under budget: in {board.paths.config_file}" in commands([one])
    board.paths.config_file.write_text("budget: {power_w: 7.5}\n")
    assert [one.level for one in board.says(check_budget)] == ["ok"]


def test_where_nobody_knows_the_idle_power_nothing_is_claimed(
    patient: Make, daemon: Daemon
) -> None:
    (one,) = found(patient("pi5"), daemon, budget=budget(power_w=0.5), idle_w=None)
    assert one.level == "ok"


def test_a_daemon_without_a_governor_is_not_judged(patient: Make, daemon: Daemon) -> None:
    daemon.documents["/edge/v1/status"] = (200, boards.status())
    board = patient("pi5")
    board.paths.config_file.write_text("budget: {power_w: 1.5}\n")
    assert list(check_budget(board.machine(socket=daemon.path))) == []


def test_sensors_that_the_governor_misses_are_told(patient: Make, daemon: Daemon) -> None:
    gap = "No power can be read: watts are kept by a model of the board."
    one = found(patient("pi5"), daemon, missing=[gap])[-1]
    assert (one.level, one.what) == ("note", gap)


def test_a_knob_that_could_not_be_turned_is_a_problem(patient: Make, daemon: Daemon) -> None:
    good = {"name": "fan", "wanted": "1", "value": "1", "before": "0", "error": None}
    bad = {"name": "cpufreq policy0", "wanted": "1.5e9", "value": None, "before": None}
    knobs = [good, bad | {"error": "scaling_max_freq: no right to write it"}]
    board = patient("pi5")
    one = found(board, daemon, knobs=knobs)[-1]
    assert (one.id, one.level) == ("knob", "problem")
    assert one.what == ("cpufreq policy0 should be 1.5e9: scaling_max_freq: no right to write it")
    assert "log" in commands([one])
    bound = bad | {"name": "affinity of process 42 begun at tick 7", "wanted": "50", "error": "no"}
    one = found(board, daemon, knobs=[bound])[-1]
    assert one.what == "affinity of process 42 begun at tick 7 should be 50: no"
    none = bad | {"name": "knobs.rapl_w", "wanted": "", "error": "no power limit can be set"}
    one = found(board, daemon, knobs=[none])[-1]
    assert one.what == "knobs.rapl_w: no power limit can be set"


def test_what_is_wrong_with_the_supply_or_its_sensor_is_told(patient: Make, daemon: Daemon) -> None:
    late = "The board's power is read 1.5 s late: a power budget holds for windows of 4 s"
    told = found(patient("pi5"), daemon, budget=budget(power_w=8.0), supply=[late])
    assert [(one.id, one.level) for one in told if one.what == late] == [("power", "note")]
