"""A seed is a board."""

from __future__ import annotations

import msgspec
import pytest
from plants import BOARDS, shape_of

from edge_rt.config.board import Constants, Figure
from edge_rt.twin.shape import Shape, draw


@pytest.mark.parametrize("name", BOARDS)
def test_a_seed_draws_the_same_board_and_another_seed_another(name: str) -> None:
    shape = shape_of(name)
    assert draw(shape, 7) == draw(shape, 7)
    assert draw(shape, 7) != draw(shape, 8)


@pytest.mark.parametrize("name", BOARDS)
def test_draws_stay_near_the_defaults(name: str) -> None:
    shape = shape_of(name)
    for seed in range(30):
        drawn = draw(shape, seed)
        assert drawn.leakage_w == pytest.approx(shape.prior.leakage_w, rel=0.34)
        assert 8.0 < drawn.doubling_c < 40.0
        for r, default in zip(
            drawn.resistances_c_per_w, shape.prior.resistances_c_per_w, strict=True
        ):
            assert r == pytest.approx(default, rel=0.21)


def test_the_profile_s_own_constants_make_one_node() -> None:
    board = BOARDS["raspberry-pi-5"]
    constants = Constants(source=("own",), resistance_c_per_w=4.0, capacity_j_per_c=50.0)
    thermal = msgspec.structs.replace(board.thermal, constants=constants)
    drawn = draw(Shape.of(msgspec.structs.replace(board, thermal=thermal)), 1)
    assert drawn.resistances_c_per_w == pytest.approx((4.0,), rel=0.21)
    assert drawn.capacities_j_per_c == pytest.approx((50.0,), rel=0.21)


def test_a_board_without_rails_draws_what_its_profile_says() -> None:
    board = BOARDS["raspberry-pi-4b"]
    figures = {"idle_w": Figure(source=("own",), value=10.0)}
    figures["loaded_w"] = Figure(source=("own",), value=50.0)
    draw_w = msgspec.structs.replace(board.draw, **figures)
    drawn = draw(Shape.of(msgspec.structs.replace(board, draw=draw_w)), 3)
    assert drawn.core_w == pytest.approx(10.0, rel=0.21)
    assert drawn.static_w == pytest.approx(9.75, rel=0.21)
