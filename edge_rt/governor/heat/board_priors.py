"""What is believed of a board before it has been watched, from its profile and calibrations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.config.board import Board
from edge_rt.energy.calibration.record import Calibration, Draws
from edge_rt.governor.power.priors import Priors, priors_of
from edge_rt.thermal.leakage.fit import LeakagePrior
from edge_rt.thermal.prior import Prior


def power_prior(felt: BoardSnapshot | None, found: Iterable[Calibration] = ()) -> Priors:
    """Watts and speeds by threads; of no board in particular where none is recognised.

    `found` are the board's calibrations, of whatever models: what they measured goes first.
    """
    board = _board(felt)
    priors = Priors() if board is None else priors_of(board)
    known = [(c, c.draws) for c in found if c.draws is not None and _sound(c.draws)]
    if not known:
        return priors
    cores = [(c, draws) for c, draws in known if not c.gpu_layers]
    gpu = [draws.watts.decode_w for c, draws in known if c.gpu_layers]
    return replace(
        priors,
        idle_w=median(draws.idle_w for _, draws in known),
        draws_w={
            n: median(d.watts.decode_w for c, d in cores if c.threads == n)
            for n in sorted({c.threads for c, _ in cores})
        },
        prompts=median(d.watts.prefill_w / d.watts.decode_w for _, d in cores) if cores else None,
        gpu_w=median(gpu) if gpu else priors.gpu_w,
    )


def _sound(draws: Draws) -> bool:
    return draws.quality == "measured" and min(draws.watts.prefill_w, draws.watts.decode_w) > 0.0


def heat_prior(felt: BoardSnapshot | None, cores: int) -> Prior:
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


def leakage_prior(felt: BoardSnapshot | None) -> LeakagePrior:
    """What the chip leaks, before that was measured."""
    board = _board(felt)
    known = None if board is None else board.thermal.leakage_w
    return LeakagePrior(power_prior(felt).idle_w, known and known.value)


def _board(felt: BoardSnapshot | None) -> Board | None:
    return None if felt is None else felt.chosen.board
