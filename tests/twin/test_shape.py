"""A shape is the profile's, and the class's where the profile is silent."""

from __future__ import annotations

import pytest
from plants import BOARDS, shape_of


@pytest.mark.parametrize("name", BOARDS)
def test_every_profile_makes_a_board_that_can_run(name: str) -> None:
    shape = shape_of(name)
    assert shape.cores > 0
    assert sorted(core for policy in shape.policies for core in policy) == list(range(shape.cores))
    assert list(shape.steps_hz) == sorted(set(shape.steps_hz), reverse=True)
    assert shape.steps_hz[-1] > 0
    assert shape.throttle_c < shape.critical_c
    assert len(shape.prior.resistances_c_per_w) == len(shape.prior.capacities_j_per_c) <= 3


@pytest.mark.parametrize("name", BOARDS)
def test_the_first_total_carries_all_power(name: str) -> None:
    board, shares = BOARDS[name], shape_of(name).prior.shares
    assert set(board.rails) <= set(shares)
    if not board.totals:
        return
    counted, rest = set(board.totals[0].rails), set(board.totals[0].rails)
    while rest:
        rest = {label for label, rail in board.rails.items() if rail.part_of in rest}
        counted |= rest
    kinds = ("static", "dynamic", "leakage")
    for kind in (*kinds, "gpu") if board.gpu else kinds:
        assert sum(getattr(shares[label], kind) for label in counted) == pytest.approx(1.0)


def test_what_the_profile_says_goes_first() -> None:
    pi4, orin = shape_of("raspberry-pi-4b"), shape_of("jetson-orin-nano-8gb")
    assert pi4.steps_hz == (1.8e9, 1.5e9, 1e9, 0.75e9, 0.6e9)
    assert (pi4.throttle_c, pi4.hot_c, pi4.firmware_throttles) == (80, 85, True)
    assert [temp_c for temp_c, _ in orin.fan_points] == [50, 65, 80]
    assert orin.policies == ((0, 1, 2, 3), (4, 5))
    assert orin.gpu_steps_hz == (625e6, 612e6, 510e6, 408e6, 306e6)
    assert pi4.gpu_steps_hz == ()
