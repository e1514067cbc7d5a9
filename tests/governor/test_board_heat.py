"""What is learnt of the board's heat is told, and belongs to that board."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from benchlib.boards import load_boards

from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.base import BaseReader
from edge_rt.board.readers.clocks import CpuFreq
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.core.limits import Observation
from edge_rt.core.reports.board import BoardName
from edge_rt.governor.board_heat import Heat
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.thermal.leakage import Leakage, critical_c
from edge_rt.thermal.leakage_fit import LeakageFit
from edge_rt.thermal.leakage_posterior import Interval
from edge_rt.thermal.model import ThermalModel

FIT = LeakageFit(
    Leakage(0.6, 18.0),
    3.0,
    0.002,
    "measured",
    Interval(0.9, 1.0, 1.1),
    Interval(17.0, 18.0, 19.0),
    25.0,
)


def snapshot(id: str, root: Path = Path("/"), *readers: BaseReader) -> BoardSnapshot:
    board = load_boards()[id]
    chosen = BoardChoice(board, BoardName(id, board.name, "the test", "configured"))
    return BoardSnapshot(root, chosen, BoardSampler(readers, lambda: 0.0), (), None)


def seen(second: int) -> Observation:
    return Observation(
        time_s=float(second),
        dt_s=1.0,
        power_w=8.0,
        temp_c=50.0,
        trip_c=85.0,
        fan=None,
        threads=4,
        busy_s=1.0,
        tokens=10,
        running=1,
        waiting=0,
        others=0.0,
    )


def test_before_anything_is_seen_nothing_is_told() -> None:
    heat = Heat(LeakageWatch(None))
    heat.model(None, 4)
    state = heat.state(None)
    assert (state.ambient_c, state.phi) == (None, None)
    assert (state.time_constants_s, state.trusted, state.leakage_w) == ([], False, None)


def test_what_the_model_and_the_leakage_say_is_told() -> None:
    heat = Heat(LeakageWatch(None))
    model = heat.model(snapshot("raspberry-pi-5"), 4)
    heat.leakage.fit = FIT
    for second in range(120):
        look = seen(second)
        model.observe(look.time_s, look.temp_c, look.power_w, look.fan)
    state = heat.state(seen(119))
    assert state.ambient_c is not None
    assert 0.0 < state.ambient_c < 50.0
    assert state.leakage_w == pytest.approx(FIT.leakage.power_w(50.0))
    assert state.doubling_k == 18.0
    assert state.resistance_c_per_w is not None
    assert state.runaway_c is not None
    slope = state.resistance_c_per_w * FIT.leakage.slope_w_per_c(state.runaway_c)
    assert slope == pytest.approx(1.0)
    dynamic_w = 8.0 - FIT.other_w(50.0) - FIT.leakage.power_w(50.0)
    assert state.phi == pytest.approx(dynamic_w / (dynamic_w + FIT.leakage.power_w(50.0)))
    assert state.leakage_source == "measured"


def test_a_board_that_is_recognised_later_is_learnt_anew() -> None:
    heat = Heat(LeakageWatch(None))
    heat.model(snapshot("raspberry-pi-5"), 4)
    heat.leakage.fit = FIT
    heat.model(snapshot("raspberry-pi-5"), 4)
    assert heat.state(None).doubling_k == 18.0
    heat.model(snapshot("jetson-orin-nano-8gb"), 4)
    state = heat.state(None)
    assert (state.doubling_k, state.leakage_source) == (20.0, "assumed")


def test_a_simulated_board_teaches_nothing_of_the_real_one(tmp_path: Path) -> None:
    heat = Heat(LeakageWatch(None))
    heat.model(snapshot("raspberry-pi-5", tmp_path), 4)
    heat.leakage.fit = FIT
    assert heat.state(None).doubling_k == 18.0
    heat.model(snapshot("raspberry-pi-5"), 4)
    assert heat.state(None).doubling_k == 20.0


def clocks(folder: Path, low_khz: int, top_khz: int) -> CpuFreq:
    """A processor of one policy, whose clock a governor holds at the lowest."""
    policy = folder / "devices" / "system" / "cpu" / "cpufreq" / "policy0"
    policy.mkdir(parents=True)
    for name, khz in (("min", low_khz), ("max", low_khz), ("cur", low_khz)):
        (policy / f"scaling_{name}_freq").write_text(f"{khz}\n")
    (policy / "cpuinfo_max_freq").write_text(f"{top_khz}\n")
    return CpuFreq(folder)


def test_leakage_counts_at_the_voltage_that_a_chip_has_at_work(tmp_path: Path) -> None:
    """On a Jetson that is idle at a tenth of its clock the runaway lies 13 K lower for it."""
    board = snapshot("jetson-orin-nano-8gb", Path("/"), clocks(tmp_path, 115_200, 1_497_600))
    board.sampler.step(0.0)
    heat = Heat(LeakageWatch(None))
    model = heat.model(board, 6)
    heat.leakage.fit = FIT
    for second in range(120):
        look = seen(second)
        model.observe(look.time_s, look.temp_c, look.power_w, look.fan)
    state = heat.state(seen(119))
    assert state.resistance_c_per_w is not None
    assert state.runaway_c is not None
    at_rest_c = critical_c(FIT.leakage, state.resistance_c_per_w)
    ratio = 1.0 / (0.6 + 0.4 * 115_200 / 1_497_600)
    assert state.runaway_c == pytest.approx(at_rest_c - 18.0 * math.log2(ratio))
    assert heat.leakage.power_w(60.0) == pytest.approx(ratio * FIT.leakage.power_w(60.0))
    assert state.leakage_w == pytest.approx(FIT.leakage.power_w(50.0))  # of the idle chip


def test_a_course_adds_what_leakage_grows_by_at_work(tmp_path: Path) -> None:
    ends = list[float]()
    for low_khz in (1_497_600, 115_200):
        reader = clocks(tmp_path / str(low_khz), low_khz, 1_497_600)
        board = snapshot("jetson-orin-nano-8gb", Path("/"), reader)
        board.sampler.step(0.0)
        heat = Heat(LeakageWatch(None))
        model = heat.model(board, 6)
        heat.leakage.fit = FIT
        model.observe(0.0, 50.0, 8.0, None)
        model.observe(0.2, 50.0, 8.0, None)
        forecast = model.forecast(20.0, 120.0)
        assert forecast is not None
        ends.append(forecast.temp_c)
    assert ends[1] > ends[0] + 0.1


def test_forecasts_are_those_of_a_model_that_comes_true(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = Heat(LeakageWatch(None))
    assert heat.forecast(20.0, 120.0) is None
    model = heat.model(snapshot("jetson-orin-nano-8gb"), 6)
    model.observe(0.0, 50.0, 8.0, None)
    model.observe(0.2, 50.0, 8.0, None)
    assert heat.forecast(20.0, 120.0) is None  # none has come true yet
    monkeypatch.setattr(ThermalModel, "believed", True)
    forecast = heat.forecast(20.0, 120.0)
    assert forecast is not None
    assert forecast == model.forecast(20.0, 120.0)
