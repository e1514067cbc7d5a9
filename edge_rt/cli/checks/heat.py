"""Temperatures, and where the board acts on them."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.cli.checks.finding import Finding, note, ok, problem
from edge_rt.cli.checks.machine import Machine
from edge_rt.cli.checks.readings import Reading
from edge_rt.cli.checks.remedies import load_module
from edge_rt.cli.checks.virtual import seclusion
from edge_rt.sensors.thermal import Thermal, TripPoint

_WAITS = ("# see the kernel's log (dmesg) for the bus or driver that hangs",)


def check_temperatures(machine: Machine) -> Iterator[Finding]:
    """The zones, the hottest of them, and where the kernel acts."""
    ignored = _ignored(machine)
    temps = [r for r in machine.readings if r.channel.kind == "temp_c"]
    zones = [r for r in temps if r.channel.name not in ignored]
    read = [(r.value, r.channel.name) for r in zones if r.value is not None]
    if not read:
        yield _no_temperature(machine, zones)
        return
    hottest_c, name = max(read)
    yield ok("temperature", f"{hottest_c:.1f} °C in {name}, the hottest of {len(read)}")
    refused = [r for r in zones if r.impossible]
    for one in refused:
        yield note("temperature", f"{one.channel.name} does not count: {one.error}")
    others = [r for r in zones if r.value is None and r not in refused]
    silent = [r for r in others if not _gated(machine, r.channel.name)]
    if silent:
        names = ", ".join(r.channel.name for r in silent)
        yield note("temperature", f"{names} gives none: {silent[0].error}")
    yield _limits(machine)


def check_answers(machine: Machine) -> Iterator[Finding]:
    """Report the sensors that do not answer."""
    silent = [*machine.discovery.skipped, *machine.sampler.blocked]
    for one in silent:
        if one.thread is not None:
            yield problem("sensors", f"{one.name}: {one.reason}", *_WAITS)


def _no_temperature(machine: Machine, zones: list[Reading]) -> Finding:
    if zones:
        return problem("temperature", f"no temperature can be read: {zones[0].error}")
    where = seclusion(machine)
    if where is not None:
        return note("temperature", f"no temperature can be read in {where}")
    what = f"no thermal zone and no coretemp or k10temp below {machine.roots.sysfs}"
    if machine.identity.architecture != "x86_64":
        return problem("temperature", what, "# use the board's own kernel and device tree")
    vendor = "AMD" in (machine.identity.cpu or "")
    return problem("temperature", what, *load_module(machine, "k10temp" if vendor else "coretemp"))


def _ignored(machine: Machine) -> set[str]:
    """Zones of which the profile says that they tell no temperature of interest."""
    known = machine.board.thermal.zones if machine.board else {}
    return {name for name, zone in known.items() if zone.ignored}


def _gated(machine: Machine, zone: str) -> bool:
    known = machine.board.thermal.zones.get(zone) if machine.board else None
    return known is not None and known.gated


def _limits(machine: Machine) -> Finding:
    readers = [r for r in machine.discovery.readers if isinstance(r, Thermal)]
    trips = [(z.name, t) for r in readers for z in r.zones for t in z.trips if _real(t)]
    known = _by_profile(machine)
    if trips:
        told = ", ".join(f"{zone} {t.kind} {t.temp_c:g} °C" for zone, t in trips[:4])
        more = f" and {len(trips) - 4} more" if len(trips) > 4 else ""
        slows = any(t.kind != "critical" for _, t in trips)
        return ok("trip points", told + more + ("" if slows or not known else f"; {known}"))
    if not known:
        return note("trip points", "neither the kernel nor a profile tells where the board slows")
    return ok("trip points", f"the kernel publishes none; {known}")


def _by_profile(machine: Machine) -> str:
    known = machine.board.thermal.trips if machine.board else None
    if known is None:
        return ""
    rows = (("slows from", known.throttle_c), ("hot", known.hot_c), ("off", known.shutdown_c))
    told = ", ".join(f"{name} {temp_c:g} °C" for name, temp_c in rows if temp_c is not None)
    return f"by the profile: {told}"


def _real(trip: TripPoint) -> bool:
    return trip.temp_c > 0 and trip.kind in ("passive", "hot", "critical")
