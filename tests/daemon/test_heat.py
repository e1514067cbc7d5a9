"""What is learnt of the board's heat is told, and belongs to that board."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_rt.api.board import BoardName
from edge_rt.config.boards import load_boards
from edge_rt.daemon.board_report import Felt
from edge_rt.daemon.chosen import Chosen
from edge_rt.daemon.heat import Heat
from edge_rt.daemon.leakage import LeakageWatch
from edge_rt.governor.limits import Observation
from edge_rt.sensors.sampler import Sampler
from edge_rt.thermal.cooling import LeakageFit
from edge_rt.thermal.leakage import Leakage

FIT = LeakageFit(Leakage(0.6, 18.0), 3.0, 0.99, 17.0, 19.0, 25.0, 500)


def felt(id: str, root: Path = Path("/")) -> Felt:
    board = load_boards()[id]
    chosen = Chosen(board, BoardName(id, board.name, "the test", "configured"))
    return Felt(root, chosen, Sampler((), lambda: 0.0), (), None)


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
    model = heat.model(felt("raspberry-pi-5"), 4)
    heat.leakage.tracker.accept(FIT)
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
    assert state.phi == pytest.approx(1.0 - FIT.leakage.power_w(50.0) / (8.0 - 3.0))


def test_a_board_that_is_recognised_later_is_learnt_anew() -> None:
    heat = Heat(LeakageWatch(None))
    heat.model(felt("raspberry-pi-5"), 4)
    heat.leakage.tracker.accept(FIT)
    heat.model(felt("raspberry-pi-5"), 4)
    assert heat.state(None).doubling_k == 18.0
    heat.model(felt("jetson-orin-nano-8gb"), 4)
    assert heat.state(None).doubling_k is None


def test_a_simulated_board_teaches_nothing_of_the_real_one(tmp_path: Path) -> None:
    heat = Heat(LeakageWatch(None))
    heat.model(felt("raspberry-pi-5", tmp_path), 4)
    heat.leakage.tracker.accept(FIT)
    assert heat.state(None).doubling_k == 18.0
    heat.model(felt("raspberry-pi-5"), 4)
    assert heat.state(None).doubling_k is None
