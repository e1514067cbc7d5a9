"""Whether the board's power is measured, and what keeps it from being so."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edge_rt.cli.doctor.checks.power_chips import EXPLAIN, doubtful, rights
from edge_rt.cli.doctor.finding import CheckFinding, note, ok, problem
from edge_rt.cli.doctor.machine import ExaminedMachine, several
from edge_rt.cli.doctor.remedies import own_profile, seclusion
from edge_rt.cli.where import there
from edge_rt.config.board import Board

_SOCKET = "run/jtop.sock"
_UNITS = ("etc/systemd/system/jtop.service", "usr/lib/systemd/system/jtop.service")


def check_jtop(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Nothing where it is not installed."""
    runs = there(machine.file(_SOCKET))
    if not runs and not any(there(machine.file(unit)) for unit in _UNITS):
        return
    if machine.supply is not None:
        yield ok("jtop", "jetson-stats is installed, and not needed: the rails are read directly")
    elif runs:
        yield note("jtop", "jetson-stats runs: its figures are used where no rail can be read")
    else:
        what = "jetson-stats could tell the rails, but its service does not run"
        yield problem("jtop", what, f"{machine.user.sudo}systemctl enable --now jtop")


def check_power(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Which rails form the power, or why each chip that should give it does not."""
    board, supply = machine.board, machine.supply
    if supply is not None:
        how = "simulated" if machine.simulated else "measured"
        watts = supply.power_w()
        figure = "no figure yet" if watts is None else f"{watts:.2f} W"
        what = f"{figure} for the {supply.covers}, {how} on {several(supply.rails)}"
        yield ok("power", what)
        yield from rights(machine, supply)
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


def _refused(machine: ExaminedMachine, supply: Collection[str] = ()) -> Iterator[CheckFinding]:
    """The rails, but those of the supply, whose watts are refused since they cannot be."""
    for reading in machine.readings:
        name = reading.channel.name
        if reading.channel.kind == "power_w" and reading.impossible and name not in supply:
            yield problem("power", f"{name} does not count: {reading.error}")


def _unmeasured(machine: ExaminedMachine, board: Board) -> Iterator[CheckFinding]:
    chips = [
        rail.chip for total in board.totals for rail in map(board.rails.get, total.rails) if rail
    ]
    for chip in dict.fromkeys(chips):
        if chip is not None:
            yield from EXPLAIN[chip](machine)
    if not machine.daemon_measures:
        yield note("power", f"as it is, {_instead(board)}")


def _sensorless(machine: ExaminedMachine, board: Board) -> CheckFinding:
    if rails := tuple(machine.powers):
        what = f"the profile does not say how to add up {several(rails)}: {_instead(board)}"
        return note("power", what, *own_profile(machine, board.id))
    where = seclusion(machine)
    if where is not None:
        return note("power", f"this is {where}, without a power sensor: {_instead(board)}")
    if _has_draw(board):
        return note("power", f"the board has no power sensor: {_instead(board)}")
    what = f"no power sensor is known: {_instead(board)}"
    if machine.config.board is None:
        return note("power", f"{what}; a profile could tell the draw, see board")
    return note("power", what, *own_profile(machine, board.id))


def _instead(board: Board) -> str:
    idle, loaded = board.draw.idle_w, board.draw.loaded_w
    if idle is None or loaded is None or not board.clusters:
        return "energy stays unknown"
    span = f"{idle.value:g} W idle, {loaded.value:g} W busy"
    return f"power is modelled from CPU time and the profile's draw ({span})"


def _has_draw(board: Board) -> bool:
    draw = board.draw
    return draw.idle_w is not None and draw.loaded_w is not None and bool(board.clusters)
