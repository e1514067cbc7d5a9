"""What is believed of a board before it has been watched, from its profile."""

from __future__ import annotations

from edge_rt.config.board import Board
from edge_rt.daemon.board_report import Felt
from edge_rt.governor.priors import Priors, priors_of
from edge_rt.thermal.prior import Prior


def power_prior(felt: Felt | None) -> Priors:
    """Watts and speeds by threads; of no board in particular where none is recognised."""
    board = _board(felt)
    return Priors() if board is None else priors_of(board)


def heat_prior(felt: Felt | None, cores: int) -> Prior:
    """The way of the heat from the chip to the air; `cores` are those that may be used."""
    power, board = power_prior(felt), _board(felt)
    full = None if board is None else board.draw.loaded_w
    fan = felt is not None and any(reader.name == "fan" for reader in felt.sampler.readers)
    constants = None if board is None else board.thermal.constants
    return Prior.generic(
        power.idle_w + cores * power.core_w if full is None else full.value,
        fan or (board is not None and board.thermal.fan is not None),
        power.idle_w,
        resistance_c_per_w=constants and constants.resistance_c_per_w,
        capacity_j_per_c=constants and constants.capacity_j_per_c,
    )


def _board(felt: Felt | None) -> Board | None:
    return None if felt is None else felt.chosen.board
