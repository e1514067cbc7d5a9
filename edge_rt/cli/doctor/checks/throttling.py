"""What holds the board back: a weak supply, heat, a cap."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.cli.doctor.finding import Finding, note, ok, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.readings import Reading

_WEAK = {"under_voltage", "under_voltage_alarm"}
_HEAT = ("throttled", "soft_temperature_limit", "frequency_capped")
_LATER = "_occurred"
_COOL = "# improve its cooling: heat sink, fan, free air"


def check_throttling(machine: Machine) -> Iterator[Finding]:
    """Under-voltage, frequency caps and heat: now, and since boot."""
    flags = [r for r in machine.readings if r.channel.kind == "flag"]
    raised = {r.channel.name for r in flags if r.value}
    found = [*_by_supply(machine, raised), *_by_heat(machine, raised)]
    yield from found
    unread = [reading.error for reading in flags if reading.value is None]
    if unread:
        yield note("throttling", f"flags cannot be read: {unread[0]}")
    elif not found:
        yield _free(machine, flags)


def _by_supply(machine: Machine, raised: set[str]) -> Iterator[Finding]:
    if raised & _WEAK:
        yield problem("throttling", "the supply is too weak right now", *_better(machine))
    elif f"under_voltage{_LATER}" in raised:
        yield note("throttling", "the supply was too weak since boot", *_better(machine))


def _by_heat(machine: Machine, raised: set[str]) -> Iterator[Finding]:
    now = [*_hot(raised, "", bool(raised & _WEAK)), *_slowed(machine)]
    weak = bool(raised & _WEAK) or f"under_voltage{_LATER}" in raised
    before = [*_hot(raised, _LATER, weak), *_counted(machine)]
    if now:
        what = f"the board slows down for heat right now ({', '.join(now)})"
        yield note("throttling", what, _COOL)
    elif before:
        what = f"the board slowed down for heat since boot ({', '.join(before)})"
        yield note("throttling", what, _COOL)


def _hot(raised: set[str], when: str, weak: bool) -> list[str]:
    """Flags of heat; a weak supply raises all but one of them as well."""
    flags = ("soft_temperature_limit",) if weak else _HEAT
    return [flag.replace("_", " ") for flag in flags if flag + when in raised]


def _slowed(machine: Machine) -> list[str]:
    """Cooling devices of Jetsons that stand for throttling, where they are on."""
    states = [r for r in machine.readings if r.reader == "thermal" and r.value]
    return [r.channel.name for r in states if "throttle" in r.channel.name]


def _counted(machine: Machine) -> list[str]:
    counts = [r for r in machine.readings if r.reader == "thermal_throttle" and r.value]
    packages = [r for r in counts if " core " not in r.channel.name]
    return [f"{r.channel.name} {r.value:g} times" for r in packages]


def _free(machine: Machine, flags: list[Reading]) -> Finding:
    if flags or any("throttle" in r.channel.name for r in machine.readings):
        return ok("throttling", "nothing holds the board back")
    return note("throttling", "the board publishes no throttle flags")


def _better(machine: Machine) -> tuple[str, ...]:
    watts = machine.board.draw.supply_w if machine.board else None
    size = f"a {watts.value:g} W supply" if watts else "the board's own supply"
    return (
        f"# use {size} and a short, thick cable; feed USB devices apart",
        "# what happened since boot is forgotten at the next one",
    )
