"""Whether the board can keep its budget at all, and whether the knobs stand as they should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from edge_rt.cli.doctor.checks.daemon import log_of
from edge_rt.cli.doctor.checks.kernel import right_to
from edge_rt.cli.doctor.finding import CheckFinding, note, ok, problem
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import word
from edge_rt.cli.text import joules, line, lines, member, members, number, significant
from edge_rt.cli.views.budget import caps, knob_name, knob_value

_PERIOD_S = {"hour": 3600.0, "day": 86400.0}
_ROOM = 1.5  # times the idle power that a budget should at least be


def check_budget(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """From the daemon's state; without a daemon from the configuration and the profile."""
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
    for text in lines(state, "missing") or []:
        yield note("budget", text)
    for knob in members(state, "knobs"):
        if knob.get("error") is not None:
            yield _knob(machine, knob)


def _profile_idle_w(machine: ExaminedMachine) -> float | None:
    figure = machine.board.draw.idle_w if machine.board else None
    return None if figure is None else figure.value


def _too_low(
    machine: ExaminedMachine, state: Mapping[str, object], idle_w: float | None, source: str | None
) -> Iterator[CheckFinding]:
    """Caps of power and energy that the board exceeds while it does nothing.

    `source` tells whose figure `idle_w` is where nobody has measured it.
    """
    if idle_w is None:
        return
    budget = member(cast("dict[str, object]", state), "budget")
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


def _unfelt(machine: ExaminedMachine, state: Mapping[str, object]) -> Iterator[CheckFinding]:
    """A cap of the temperature where the daemon reads none."""
    temp_c = number(member(cast("dict[str, object]", state), "budget").get("temp_c"))
    looking = (machine.daemon_board or {}).get("looking")
    if temp_c is not None and not looking:
        yield problem(
            "budget",
            f"a cap of {temp_c:g} °C cannot be watched: no temperature can be read",
            "edge-rt budget --temp none",
            f"# for good: take temp_c out of budget: in {word(machine.config_file)}",
            "# or see to it that a temperature is read, and cap watts until then: edge-rt sensors",
        )


def _raise(machine: ExaminedMachine, what: str, option: str, key: str, value: str) -> CheckFinding:
    file = word(machine.config_file)
    return problem(
        "budget",
        what,
        f"edge-rt budget --{option} {value}",
        f"# for good: {key}: {value} under budget: in {file}",
    )


def _knob(machine: ExaminedMachine, knob: Mapping[str, object]) -> CheckFinding:
    name = line(knob.get("name"))
    value, wished = (knob_value(name, line(knob.get(key))) for key in ("value", "wanted"))
    now = "" if knob.get("value") is None else f" and is {value}"
    wanted = f" should be {wished}{now}" if knob.get("wanted") else ""
    what = f"{knob_name(name)}{wanted}: {line(knob.get('error'))}"
    return problem("knob", what, *right_to(machine, name), log_of(machine))
