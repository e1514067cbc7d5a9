"""Temperatures, and what holds the board back."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.cli.checks.finding import Finding, note, ok, problem
from edge_rt.cli.checks.machine import Machine
from edge_rt.cli.checks.readings import Reading
from edge_rt.cli.checks.remedies import load_module
from edge_rt.cli.checks.virtual import seclusion
from edge_rt.sensors.thermal import Thermal, TripPoint

_SUPPLY = ("under_voltage", "under_voltage_alarm")
_HEAT = ("throttled", "soft_temperature_limit")
_LATER = "_occurred"


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
    silent = [r for r in zones if r.value is None and not _gated(machine, r.channel.name)]
    if silent:
        names = ", ".join(r.channel.name for r in silent)
        yield note("temperature", f"{names} gives none: {silent[0].error}")
    yield _limits(machine)


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
    if trips:
        told = ", ".join(f"{zone} {t.kind} {t.temp_c:g} °C" for zone, t in trips[:4])
        more = f" and {len(trips) - 4} more" if len(trips) > 4 else ""
        return ok("trip points", told + more)
    known = machine.board.thermal.trips if machine.board else None
    if known is None:
        return note("trip points", "neither the kernel nor a profile tells where the board slows")
    rows = (("slows from", known.throttle_c), ("hot", known.hot_c), ("off", known.shutdown_c))
    told = ", ".join(f"{name} {temp_c:g} °C" for name, temp_c in rows if temp_c is not None)
    return ok("trip points", f"the kernel publishes none; by the profile: {told}")


def _real(trip: TripPoint) -> bool:
    return trip.temp_c > 0 and trip.kind in ("passive", "hot", "critical")


def check_throttling(machine: Machine) -> Iterator[Finding]:
    """Under-voltage, frequency caps and heat: now, and since boot."""
    flags = [r for r in machine.readings if r.channel.kind == "flag"]
    raised = {r.channel.name for r in flags if r.value}
    unread = next((r.error for r in flags if r.value is None), None)
    slowed = _slowed(machine)
    weak = bool(raised.intersection(_SUPPLY))  # which raises "throttled" as well
    if weak:
        yield problem("throttling", "the supply is too weak right now", *_supply(machine))
    elif f"under_voltage{_LATER}" in raised:
        yield note("throttling", "the supply was too weak since boot", *_supply(machine))
    if hot := [name for name in _HEAT[weak:] if name in raised] + slowed:
        what = f"the board slows down for heat right now ({', '.join(hot)})"
        yield note("throttling", what, "# improve its cooling: heat sink, fan, free air")
    elif "frequency_capped" in raised and not weak:
        yield note("throttling", "the firmware holds the clock down right now")
    elif before := _heat_before(raised) + _counted(machine):
        what = f"the board slowed down for heat since boot ({', '.join(before)})"
        yield note("throttling", what, "# improve its cooling: heat sink, fan, free air")
    if unread is not None:
        yield note("throttling", f"flags cannot be read: {unread}")
    elif not raised and not slowed and not _counted(machine):
        yield _free(machine, flags)


def _heat_before(raised: set[str]) -> list[str]:
    weak = f"under_voltage{_LATER}" in raised
    return [name for name in _HEAT[weak:] if name + _LATER in raised]


def _free(machine: Machine, flags: list[Reading]) -> Finding:
    if flags or any("throttle" in r.channel.name for r in machine.readings):
        return ok("throttling", "nothing holds the board back")
    return note("throttling", "the board publishes no throttle flags")


def _slowed(machine: Machine) -> list[str]:
    """Cooling devices of Jetsons that stand for throttling, where they are on."""
    states = [r for r in machine.readings if r.reader == "thermal" and r.value]
    return [r.channel.name for r in states if "throttle" in r.channel.name]


def _counted(machine: Machine) -> list[str]:
    counts = [r for r in machine.readings if r.reader == "thermal_throttle" and r.value]
    packages = [r for r in counts if " core " not in r.channel.name]
    return [f"{r.channel.name} {r.value:g} times" for r in packages]


def _supply(machine: Machine) -> tuple[str, ...]:
    watts = machine.board.draw.supply_w if machine.board else None
    size = f"a {watts.value:g} W supply" if watts else "the board's own supply"
    return (
        f"# use {size} and a short, thick cable; feed USB devices apart",
        "# what happened since boot is forgotten at the next one",
    )
