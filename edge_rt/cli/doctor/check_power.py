"""Whether the board's power is measured, and whether its budget can be kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from edge_rt.cli.doctor.check_daemon import log_of
from edge_rt.cli.doctor.check_power_chips import doubtful, explain, rights
from edge_rt.cli.doctor.machine import ExaminedMachine, several
from edge_rt.cli.doctor.remedies import own_profile, seclusion, word
from edge_rt.cli.document import caps
from edge_rt.cli.options import there
from edge_rt.cli.text import Json, joules, line, lines, member, members, number, significant
from edge_rt.config.board import Board
from edge_rt.core.reports.finding import Finding, note, ok, problem

_PERIOD_S = {"hour": 3600.0, "day": 86400.0}
_ROOM = 1.5  # times the idle power that a budget should at least be
_SOCKET = "run/jtop.sock"
_UNITS = ("etc/systemd/system/jtop.service", "usr/lib/systemd/system/jtop.service")


def check_budget(machine: ExaminedMachine) -> Iterator[Finding]:
    """Check the budget, by the daemon's state or, without a daemon, the configuration."""
    status = machine.ask("/edge/v1/status") or {}
    state = member(status, "governor")
    if status and not state:
        return  # a daemon of another version, which knows no budget
    if not state:
        state = {"budget": msgspec.to_builtins(machine.config.budget)}
    board = member(status, "board")
    if not status:
        idle_w, source = _profile_idle_w(machine), "its profile"
    else:
        idle_w = number(state.get("idle_w"))
        source = "a model of it" if number(board.get("power_w")) is None else None
    faults = [*_too_low(machine, state, idle_w, source)]
    if status and number(board.get("temp_c")) is None:
        faults += _unfelt(machine, state)
    named = caps(state)
    if named and not faults:
        yield ok("budget", ", ".join(named))
    yield from faults
    for name, key in (("budget", "missing"), ("power", "supply")):
        for text in lines(state, key) or []:
            yield note(name, text)
    for knob in members(state, "knobs"):
        if knob.get("error") is not None:
            yield _stuck_knob(machine, knob)


def _profile_idle_w(machine: ExaminedMachine) -> float | None:
    figure = machine.board.draw.idle_w if machine.board else None
    return None if figure is None else figure.value


def _too_low(
    machine: ExaminedMachine, state: Json, idle_w: float | None, source: str | None
) -> Iterator[Finding]:
    """Caps of power and energy that the board exceeds while it does nothing.

    `source` tells whose figure `idle_w` is where nobody has measured it.
    """
    if idle_w is None:
        return
    budget = member(state, "budget")
    power_w, energy_j = number(budget.get("power_w")), number(budget.get("energy_j"))
    about, whose = ("", "") if source is None else ("about ", f", by {source}")
    draws = f"the board draws {about}{significant(idle_w)} W when idle{whose}"
    if power_w is not None and power_w <= idle_w:
        what = f"a power cap of {significant(power_w)} W cannot be kept: {draws}"
        yield _raise(machine, what, "power", "power_w", f"{_ROOM * idle_w:.2g}")
    period = line(budget.get("energy_period"))
    period_s = _PERIOD_S.get(period)
    if energy_j is not None and period_s is not None and energy_j <= idle_w * period_s:
        what = (
            f"{joules(energy_j)} each {period} cannot be kept: {draws}, "
            f"{about}{joules(idle_w * period_s)}"
        )
        most = f"{_ROOM * idle_w * period_s:.0f}"
        yield _raise(machine, what, "energy", "energy_j", most)


def _unfelt(machine: ExaminedMachine, state: Json) -> Iterator[Finding]:
    """Yield that a temperature is capped which the daemon cannot read."""
    temp_c = number(member(state, "budget").get("temp_c"))
    looking = (machine.daemon_board or {}).get("looking")
    if temp_c is not None and not looking:
        yield problem(
            "budget",
            f"a cap of {temp_c:g} °C cannot be watched: no temperature can be read",
            "edge-rt budget --temp none",
            f"# for good: take temp_c out of budget: in {word(machine.config_file)}",
            "# or see to it that a temperature is read, and cap watts until then: edge-rt sensors",
        )


def _raise(machine: ExaminedMachine, what: str, option: str, key: str, value: str) -> Finding:
    file = word(machine.config_file)
    return problem(
        "budget",
        what,
        f"edge-rt budget --{option} {value}",
        f"# for good: {key}: {value} under budget: in {file}",
    )


def _stuck_knob(machine: ExaminedMachine, knob: Json) -> Finding:
    name = line(knob.get("name"))
    value, wished = (line(knob.get(key)) for key in ("value", "wanted"))
    now = "" if knob.get("value") is None else f" and is {value}"
    wanted = f" should be {wished}{now}" if knob.get("wanted") else ""
    what = f"{name}{wanted}: {line(knob.get('error'))}"
    return problem("knob", what, log_of(machine))


def check_jtop(machine: ExaminedMachine) -> Iterator[Finding]:
    """Check jetson-stats; yields nothing where it is not installed."""
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


def check_power(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield which rails form the power, or why each chip that should give it does not."""
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
    if _has_draw(board):
        return note("power", f"the board has no power sensor: {_instead(board)}")
    what = f"no power sensor is known: {_instead(board)}"
    if machine.config.board is None:
        return note("power", f"{what}; a profile could tell the draw, see board")
    return note("power", what, own_profile(machine, board.id))


def _instead(board: Board) -> str:
    idle, loaded = board.draw.idle_w, board.draw.loaded_w
    if idle is None or loaded is None or not board.clusters:
        return "energy stays unknown"
    span = f"{idle.value:g} W idle, {loaded.value:g} W busy"
    return f"power is modelled from CPU time and the profile's draw ({span})"


def _has_draw(board: Board) -> bool:
    draw = board.draw
    return draw.idle_w is not None and draw.loaded_w is not None and bool(board.clusters)
