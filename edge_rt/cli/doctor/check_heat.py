"""Temperatures, what throttles the board, and sensors that do not answer."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.board import heat_findings
from edge_rt.board.readers.over_current import OVER_CURRENT
from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import load_module, seclusion
from edge_rt.config.board import Thermal
from edge_rt.core.reports.finding import Finding, note, ok, problem

_ASKED_FOR = ("throttling", "clocks")
_WAITS = ("# see the kernel's log (dmesg) for the bus or driver that hangs",)


def check_throttling(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield under-voltage, frequency caps and heat: now, and since boot."""
    found = [one for one in machine.told if one.id == "throttling"]
    yield from found
    flags = [r for r in machine.readings if r.channel.kind == "flag"]
    unread = [reading.error for reading in flags if reading.value is None]
    counts = [r for r in machine.readings if r.reader == OVER_CURRENT]
    if unread:
        yield note("throttling", f"flags cannot be read: {unread[0]}")
    elif found:
        return
    elif flags or counts or any("throttle" in r.channel.name for r in machine.readings):
        yield ok("throttling", "nothing holds the board back")
    else:
        yield note("throttling", "the board publishes no throttle flags")


def check_temperatures(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield the zones, the hottest of them, and where the kernel acts."""
    thermal = machine.board.thermal if machine.board else Thermal()
    found = list(heat_findings.diagnose(machine.sampler, machine.heat, thermal))
    yield from found or [_no_temperature(machine)]


def check_answers(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield the sensors that do not answer, and what others tell that no check asks for."""
    yield from (one for one in machine.told if one.id not in _ASKED_FOR)
    silent = [*machine.discovery.skipped, *machine.sampler.blocked]
    for one in silent:
        if one.thread is not None:
            yield problem("sensors", f"{one.name}: {one.reason}", *_WAITS)


def _no_temperature(machine: ExaminedMachine) -> Finding:
    zones = [machine.readings[zone.place] for zone in machine.heat.counting]
    if zones:
        return problem("temperature", f"no temperature can be read: {zones[0].error}")
    where = seclusion(machine)
    if where is not None:
        return note("temperature", f"no temperature can be read in {where}")
    what = "no thermal zone of the chip and no coretemp or k10temp below "
    what += f"{machine.roots.sysfs}{heat_findings.apart(machine.heat)}"
    if machine.identity.architecture != "x86_64":
        return problem("temperature", what, "# use the board's own kernel and device tree")
    vendor = "AMD" in (machine.identity.cpu or "")
    return problem("temperature", what, *load_module(machine, "k10temp" if vendor else "coretemp"))
