"""What is believed of a board at first comes from its profile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from benchlib.boards import load_boards

from edge_rt.board.profile import BoardChoice
from edge_rt.board.readers.base import BaseReader
from edge_rt.board.readers.heat import FanReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.board_model.calibration import PhasePowers
from edge_rt.governor.board_heat import heat_prior, leakage_prior, power_prior
from edge_rt.thermal.leakage import fit_leakage


def snapshot(board: str | None, *readers: BaseReader) -> BoardSnapshot:
    profile = None if board is None else load_boards()[board]
    return BoardSnapshot(
        Path("/"), BoardChoice(profile), BoardSampler(readers, lambda: 0.0), (), None
    )


def test_the_profile_is_believed() -> None:
    power = power_prior(snapshot("raspberry-pi-5"))
    assert (power.idle_w, power.core_w) == (3.25, pytest.approx((11.0 - 3.25) / 4))
    heat = heat_prior(snapshot("raspberry-pi-5"), 4)
    assert 30.0 < 11.0 * sum(heat.resistances_c_per_w) < 100.0
    assert 0.0 < heat.outer_w < 3.25


def calibrated(threads: int, decode_w: float, gpu_layers: int = 0, prefill_w: float = 9.0) -> Any:
    draws = PhasePowers(idle_w=2.5, prefill_w=prefill_w, decode_w=decode_w, quality="measured")
    return SimpleNamespace(threads=threads, gpu_layers=gpu_layers, draws=draws)


def test_what_calibrations_measured_goes_before_the_profile() -> None:
    found = [calibrated(2, 5.0), calibrated(4, 7.5), calibrated(4, 12.5, gpu_layers=99)]
    power = power_prior(snapshot("raspberry-pi-5"), found)
    assert power.idle_w == 2.5
    assert power.draws_w == {2: 2.5, 4: 5.0}
    assert power.prompts == pytest.approx((6.5 / 2.5 + 6.5 / 5.0) / 2)
    assert power.gpu_w == 10.0
    assert power.gpu_prompts == pytest.approx(6.5 / 10.0)


def test_calibrations_that_could_not_tell_watts_change_nothing() -> None:
    useless = calibrated(4, 2.0)  # less than at rest
    modelled = calibrated(4, 5.0)
    modelled.draws = msgspec.structs.replace(modelled.draws, quality="modelled")
    nothing = SimpleNamespace(threads=4, gpu_layers=0, draws=None)
    known = snapshot("raspberry-pi-5")
    assert power_prior(known, [useless, modelled, nothing]) == power_prior(known)


def test_an_unknown_board_gets_something_of_its_size() -> None:
    for unknown in (None, snapshot(None)):
        small, large = heat_prior(unknown, 2), heat_prior(unknown, 16)
        assert sum(small.resistances_c_per_w) > sum(large.resistances_c_per_w)
        assert power_prior(unknown).idle_w > 0


def test_a_fan_that_is_read_counts(tree: Any) -> None:
    tree.hwmon("pwmfan", {"pwm1": 90, "pwm1_enable": 2})
    assert heat_prior(snapshot(None, FanReader(tree.sysfs)), 4).fan_gain > 0
    assert heat_prior(snapshot(None), 4).fan_gain == 0


@pytest.mark.parametrize(
    ("board", "least_w", "most_w"),
    [
        ("jetson-agx-orin-64gb", 8.9, 11.2),
        ("jetson-orin-nano-8gb", 3.8, 6.2),
        ("jetson-orin-nano-super-8gb", 3.8, 6.2),
        ("jetson-nano-4gb", 2.9, 3.3),
        ("raspberry-pi-4b", 2.5, 2.9),
        ("raspberry-pi-5", 3.0, 3.6),
    ],
)
def test_a_board_at_rest_draws_what_was_recorded_of_it(
    board: str, least_w: float, most_w: float
) -> None:
    """From the mode with the lowest clocks to that with the highest ones."""
    assert least_w <= power_prior(snapshot(board)).idle_w <= most_w


def test_the_leakage_of_an_agx_orin_is_within_what_was_recorded() -> None:
    """At rest and at constant work near 60 °C, where 39.3 W were drawn."""
    fit = fit_leakage((), leakage_prior(snapshot("jetson-agx-orin-64gb")))
    slope = fit.leakage.slope_w_per_c(60.0)
    assert 0.017 <= slope + fit.drift_w_per_c <= 0.030
    assert 0.05 <= slope * fit.work_ratio + fit.drift_w_per_c <= 0.09
