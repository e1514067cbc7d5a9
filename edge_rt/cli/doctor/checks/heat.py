"""Temperatures, and where the board acts on them."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.board.readers.heat.hwmon_temp import HwmonTemp
from edge_rt.board.readers.heat.thermal import Thermal, TripPoint
from edge_rt.board.zones.heat_zones import AMD_C, hottest
from edge_rt.cli.doctor.finding import Finding, note, ok, problem
from edge_rt.cli.doctor.machine import Machine
from edge_rt.cli.doctor.readings import Reading
from edge_rt.cli.doctor.remedies import load_module
from edge_rt.cli.doctor.virtual import seclusion

_TOLD = 4  # zones that are named
_WAITS = ("# see the kernel's log (dmesg) for the bus or driver that hangs",)


def check_temperatures(machine: Machine) -> Iterator[Finding]:
    """The zones, the hottest of them, and where the kernel acts."""
    found = machine.heat.now()
    hot = hottest(found)
    if hot is None:
        yield _no_temperature(machine)
        return
    told = f"{hot.temp_c:.1f} °C in {hot.name}, the hottest of {len(found)}"
    yield ok("temperature", told + _apart(machine))
    refused = [one for one in _read(machine) if one.impossible]
    for one in refused:
        yield note("temperature", f"{one.channel.name} does not count: {one.error}")
    silent = [one for one in _read(machine) if one.value is None and one not in refused]
    silent = [one for one in silent if not _gated(machine, one.channel.name)]
    if silent:
        names = ", ".join(one.channel.name for one in silent)
        yield note("temperature", f"{names} gives none: {silent[0].error}")
    yield _limits(machine)


def check_answers(machine: Machine) -> Iterator[Finding]:
    """Report the sensors that do not answer."""
    silent = [*machine.discovery.skipped, *machine.sampler.blocked]
    for one in silent:
        if one.thread is not None:
            yield problem("sensors", f"{one.name}: {one.reason}", *_WAITS)


def _no_temperature(machine: Machine) -> Finding:
    zones = _read(machine)
    if zones:
        return problem("temperature", f"no temperature can be read: {zones[0].error}")
    where = seclusion(machine)
    if where is not None:
        return note("temperature", f"no temperature can be read in {where}")
    what = "no thermal zone of the chip and no coretemp or k10temp below "
    what += f"{machine.roots.sysfs}{_apart(machine)}"
    if machine.identity.architecture != "x86_64":
        return problem("temperature", what, "# use the board's own kernel and device tree")
    vendor = "AMD" in (machine.identity.cpu or "")
    return problem("temperature", what, *load_module(machine, "k10temp" if vendor else "coretemp"))


def _apart(machine: Machine) -> str:
    """The temperatures that do not count, the first of them with their reasons."""
    told = [f"{name} ({reason})" for name, reason in machine.heat.apart.items()]
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"; not counted: {', '.join(told[:_TOLD])}{more}" if told else ""


def _read(machine: Machine) -> list[Reading]:
    """The zones that count."""
    return [machine.readings[zone.place] for zone in machine.heat.counting]


def _gated(machine: Machine, zone: str) -> bool:
    known = machine.board.thermal.zones.get(zone) if machine.board else None
    return known is not None and known.gated


def _limits(machine: Machine) -> Finding:
    trips = list(_trips(machine))
    known = _by_profile(machine)
    if trips:
        told = ", ".join(f"{zone} {kind} {temp_c:g} °C" for zone, kind, temp_c in trips[:_TOLD])
        more = f" and {len(trips) - _TOLD} more" if len(trips) > _TOLD else ""
        slows = any(kind != "critical" for _, kind, _ in trips)
        return ok("trip points", told + more + ("" if slows or not known else f"; {known}"))
    if known:
        return ok("trip points", f"the kernel publishes none; {known}")
    if machine.heat.lowest_trip_c() == AMD_C:
        told = f"none is published: {AMD_C:g} °C, what AMD states for most processors, is assumed"
        return note("trip points", told)
    told = "neither the kernel nor the board's profile states a trip point"
    remedy = "# set thermal.trips.throttle_c in a board profile of your own, see board"
    return note("trip points", told, remedy)


def _trips(machine: Machine) -> Iterator[tuple[str, str, float]]:
    """Zone, kind and temperature of each trip point of the zones that count."""
    counting = {zone.name for zone in machine.heat.counting}
    for reader in machine.discovery.readers:
        if isinstance(reader, Thermal):
            for zone in reader.zones:
                real = [trip for trip in zone.trips if zone.name in counting and _real(trip)]
                yield from ((zone.name, trip.kind, trip.temp_c) for trip in real)
        elif isinstance(reader, HwmonTemp):
            told = [(n, "limit", c) for n, c in reader.limits_c.items() if n in counting and c > 0]
            yield from told


def _by_profile(machine: Machine) -> str:
    known = machine.board.thermal.trips if machine.board else None
    if known is None:
        return ""
    rows = (("slows from", known.throttle_c), ("hot", known.hot_c), ("off", known.shutdown_c))
    told = ", ".join(f"{name} {temp_c:g} °C" for name, temp_c in rows if temp_c is not None)
    return f"by the profile: {told}"


def _real(trip: TripPoint) -> bool:
    return trip.temp_c > 0 and trip.kind in ("passive", "hot", "critical")
