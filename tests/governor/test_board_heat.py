"""What is learnt of the board's heat is told, and belongs to that board."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from benchlib.boards import load_boards

from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.base import BaseReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.core.limits import Observation
from edge_rt.core.reports.board import BoardName
from edge_rt.governor.board_heat import Heat, power_step_w
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.thermal.leakage import Interval, Leakage, LeakageFit, critical_c
from edge_rt.thermal.model import ThermalModel

FIT = LeakageFit(
    Leakage(0.6, 18.0),
    3.0,
    0.002,
    "measured",
    Interval(0.9, 1.0, 1.1),
    Interval(17.0, 18.0, 19.0),
    2.0,
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
    slope = state.resistance_c_per_w * FIT.leakage.slope_w_per_c(state.runaway_c, 2.0)
    assert slope == pytest.approx(1.0)
    leaks_w = FIT.leakage.power_w(50.0, 2.0)
    dynamic_w = 8.0 - FIT.other_w(50.0) - leaks_w
    assert state.phi == pytest.approx(dynamic_w / (dynamic_w + leaks_w))
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


def test_leakage_counts_as_that_of_a_chip_at_work() -> None:
    heat = Heat(LeakageWatch(None))
    model = heat.model(snapshot("jetson-orin-nano-8gb"), 6)
    heat.leakage.fit = FIT
    for second in range(120):
        look = seen(second)
        model.observe(look.time_s, look.temp_c, look.power_w, look.fan)
    state = heat.state(seen(119))
    assert state.resistance_c_per_w is not None
    assert state.runaway_c is not None
    at_rest_c = critical_c(FIT.leakage, state.resistance_c_per_w)
    assert state.runaway_c == pytest.approx(at_rest_c - 18.0)  # a doubling: it leaks twice as much
    assert heat.leakage.power_w(60.0) == pytest.approx(2.0 * FIT.leakage.power_w(60.0))
    assert state.leakage_w == pytest.approx(FIT.leakage.power_w(50.0))  # of the idle chip


def test_a_course_adds_what_leakage_grows_by_at_work() -> None:
    ends = list[float]()
    for ratio in (1.0, 3.0):
        heat = Heat(LeakageWatch(None))
        model = heat.model(snapshot("jetson-orin-nano-8gb"), 6)
        heat.leakage.fit = replace(FIT, work_ratio=ratio)
        model.observe(0.0, 50.0, 8.0, None)
        model.observe(0.2, 50.0, 8.0, None)
        forecast = model.forecast(20.0, 120.0)
        assert forecast is not None
        ends.append(forecast.temp_c)
    assert ends[1] > ends[0] + 0.1


@pytest.mark.parametrize(("shunt_mohm", "step_w"), [(5.0, 0.04), (2.0, 0.1)])
def test_the_step_of_an_ina3221_follows_from_its_shunt(shunt_mohm: float, step_w: float) -> None:
    """Of the profile's, at the voltage that is read."""
    board = load_boards()["jetson-orin-nano-8gb"]
    rail = msgspec.structs.replace(board.rails["VDD_IN"], shunt_ohm=1e-3 * shunt_mohm)
    board = msgspec.structs.replace(board, rails={**board.rails, "VDD_IN": rail})
    looked: Any = SimpleNamespace(
        chosen=SimpleNamespace(board=board),
        supply=SimpleNamespace(rails=("VDD_IN",)),
        sampler=SimpleNamespace(reading=lambda name, kind: SimpleNamespace(value=5.0)),
    )
    assert power_step_w(looked) == pytest.approx(step_w)
    looked.sampler = SimpleNamespace(reading=lambda name, kind: None)
    assert power_step_w(looked) == 0.0
    looked.supply = None
    assert power_step_w(looked) == 0.0


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
