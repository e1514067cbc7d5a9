"""What is believed of a board at first comes from its profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_rt.config.boards import load_boards
from edge_rt.daemon.board_report import Felt
from edge_rt.daemon.chosen import Chosen
from edge_rt.daemon.priors import heat_prior, power_prior
from edge_rt.sensors.base import Reader
from edge_rt.sensors.fan import Fan
from edge_rt.sensors.sampler import Sampler


def felt(board: str | None, *readers: Reader) -> Felt:
    profile = None if board is None else load_boards()[board]
    return Felt(Path("/"), Chosen(profile), Sampler(readers, lambda: 0.0), (), None)


def test_the_profile_is_believed() -> None:
    power = power_prior(felt("raspberry-pi-5"))
    assert (power.idle_w, power.core_w) == (3.25, pytest.approx((11.0 - 3.25) / 4))
    heat = heat_prior(felt("raspberry-pi-5"), 4)
    assert 30.0 < 11.0 * sum(heat.resistances_c_per_w) < 100.0
    assert 0.0 < heat.outer_w < 3.25


def test_an_unknown_board_gets_something_of_its_size() -> None:
    for unknown in (None, felt(None)):
        small, large = heat_prior(unknown, 2), heat_prior(unknown, 16)
        assert sum(small.resistances_c_per_w) > sum(large.resistances_c_per_w)
        assert power_prior(unknown).idle_w > 0


def test_a_fan_that_is_read_counts(tree: Any) -> None:
    tree.hwmon("pwmfan", {"pwm1": 90, "pwm1_enable": 2})
    assert heat_prior(felt(None, Fan(tree.sysfs)), 4).fan_gain > 0
    assert heat_prior(felt(None), 4).fan_gain == 0
