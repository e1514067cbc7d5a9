"""Whether the board's power is measured."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edge_rt.cli.doctor.check_power_chips import doubtful, explain
from edge_rt.cli.doctor.machine import ExaminedMachine, several
from edge_rt.cli.doctor.remedies import own_profile, seclusion
from edge_rt.config.board import Board
from edge_rt.core.reports.finding import Finding, note, ok, problem

_UNKNOWN = "energy stays unknown"


def check_power(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield which rails form the power, or why each chip that should give it does not."""
    board, supply = machine.board, machine.supply
    if supply is not None:
        how = "simulated" if machine.simulated else "measured"
        watts = supply.power_w()
        figure = "no figure yet" if watts is None else f"{watts:.2f} W"
        what = f"{figure} for the {supply.covers}, {how} on {several(supply.rails)}"
        yield ok("power", what)
        yield from _refused(machine, supply.rails)
    elif board is None:
        rails = ", ".join(machine.powers)
        reason = f"no profile says how to add up {rails}" if rails else "no power can be read"
        yield note("power", f"{reason}: see board")
        yield from _refused(machine)
    elif board.totals:
        yield from _unmeasured(machine, board)
    else:
        yield _sensorless(machine, board)
        yield from _refused(machine)
    yield from doubtful(machine)


def _refused(machine: ExaminedMachine, supply: Collection[str] = ()) -> Iterator[Finding]:
    """Return the rails, but those of the supply, whose watts are refused since they cannot be."""
    for reading in machine.readings:
        name = reading.channel.name
        if reading.channel.kind == "power_w" and reading.impossible and name not in supply:
            yield problem("power", f"{name} does not count: {reading.error}")


def _unmeasured(machine: ExaminedMachine, board: Board) -> Iterator[Finding]:
    chips = [
        rail.chip for total in board.totals for rail in map(board.rails.get, total.rails) if rail
    ]
    for chip in dict.fromkeys(chips):
        if chip is not None:
            yield explain(machine, chip)
    if unknown := [rail for rail in machine.powers if rail not in board.rails]:
        what = f"no total of the profile names {several(unknown)}, which can be read"
        yield note("power", what, own_profile(machine, board.id))
    if not machine.daemon_measures:
        yield note("power", f"as it is, {_instead(board)}")


def _sensorless(machine: ExaminedMachine, board: Board) -> Finding:
    if rails := tuple(machine.powers):
        what = f"the profile does not say how to add up {several(rails)}: {_instead(board)}"
        return note("power", what, own_profile(machine, board.id))
    where = seclusion(machine)
    if where is not None:
        return note("power", f"this is {where}, without a power sensor: {_instead(board)}")
    if (instead := _instead(board)) != _UNKNOWN:
        return note("power", f"the board has no power sensor: {instead}")
    what = f"no power sensor is known: {_instead(board)}"
    if machine.config.board is None:
        return note("power", f"{what}; a profile could tell the draw, see board")
    return note("power", what, own_profile(machine, board.id))


def _instead(board: Board) -> str:
    idle, loaded = board.draw.idle_w, board.draw.loaded_w
    if idle is None or loaded is None or not board.clusters:
        return _UNKNOWN
    span = f"{idle.value:g} W idle, {loaded.value:g} W busy"
    return f"power is modelled from CPU time and the profile's draw ({span})"
