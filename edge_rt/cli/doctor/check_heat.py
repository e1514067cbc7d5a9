"""Temperatures, the points where the board acts on them, and what throttles it."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.board.heat_zones import AMD_C, ASSUMED_TRIP_C, hottest
from edge_rt.board.meters import UNDER_VOLTAGE
from edge_rt.board.readers.heat import HwmonTemp, ThermalReader, TripPoint
from edge_rt.board.readers.over_current import OVER_CURRENT
from edge_rt.cli.doctor.finding import CheckFinding, note, ok, problem
from edge_rt.cli.doctor.machine import ExaminedMachine, MachineReading
from edge_rt.cli.doctor.remedies import load_module, seclusion

_WEAK = set(UNDER_VOLTAGE)
_HEAT = ("throttled", "soft_temperature_limit", "frequency_capped")
_LATER = "_occurred"
_COOL = "# improve its cooling: heat sink, fan, free air"


def check_throttling(machine: ExaminedMachine) -> Iterator[CheckFinding]:
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


def _by_supply(machine: ExaminedMachine, raised: set[str]) -> Iterator[CheckFinding]:
    if raised & _WEAK:
        yield problem("throttling", "the supply is too weak right now", *_better(machine))
    elif f"under_voltage{_LATER}" in raised:
        yield note("throttling", "the supply was too weak since boot", *_better(machine))
    counts = [r for r in machine.readings if r.reader == OVER_CURRENT and r.value]
    if counts:
        told = ", ".join(f"{r.channel.name} {r.value:g}" for r in counts)
        what = f"the board slowed down since boot to spare its supply ({told})"
        yield note("throttling", what, *_better(machine))


def _by_heat(machine: ExaminedMachine, raised: set[str]) -> Iterator[CheckFinding]:
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
    """The raised flags of heat; a weak supply raises them as well, except one."""
    flags = ("soft_temperature_limit",) if weak else _HEAT
    return [flag.replace("_", " ") for flag in flags if flag + when in raised]


def _slowed(machine: ExaminedMachine) -> list[str]:
    """Cooling devices of Jetsons that stand for throttling, where they are on."""
    states = [r for r in machine.readings if r.reader == "thermal" and r.value]
    return [r.channel.name for r in states if "throttle" in r.channel.name]


def _counted(machine: ExaminedMachine) -> list[str]:
    counts = [r for r in machine.readings if r.reader == "thermal_throttle" and r.value]
    packages = [r for r in counts if " core " not in r.channel.name]
    return [f"{r.channel.name} {r.value:g} times" for r in packages]


def _free(machine: ExaminedMachine, flags: list[MachineReading]) -> CheckFinding:
    counts = [r for r in machine.readings if r.reader == OVER_CURRENT]
    if flags or counts or any("throttle" in r.channel.name for r in machine.readings):
        return ok("throttling", "nothing holds the board back")
    return note("throttling", "the board publishes no throttle flags")


def _better(machine: ExaminedMachine) -> tuple[str, ...]:
    watts = machine.board.draw.supply_w if machine.board else None
    size = f"a {watts.value:g} W supply" if watts else "the board's own supply"
    return (
        f"# use {size} and a short, thick cable; feed USB devices apart",
        "# what happened since boot is forgotten at the next one",
    )


_TOLD = 4  # zones that are named
_WAITS = ("# see the kernel's log (dmesg) for the bus or driver that hangs",)


def check_temperatures(machine: ExaminedMachine) -> Iterator[CheckFinding]:
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


def check_answers(machine: ExaminedMachine) -> Iterator[CheckFinding]:
    """Report the sensors that do not answer."""
    silent = [*machine.discovery.skipped, *machine.sampler.blocked]
    for one in silent:
        if one.thread is not None:
            yield problem("sensors", f"{one.name}: {one.reason}", *_WAITS)


def _no_temperature(machine: ExaminedMachine) -> CheckFinding:
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


def _apart(machine: ExaminedMachine) -> str:
    """The temperatures that do not count, the first of them with their reasons."""
    told = [f"{name} ({reason})" for name, reason in machine.heat.apart.items()]
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"; not counted: {', '.join(told[:_TOLD])}{more}" if told else ""


def _read(machine: ExaminedMachine) -> list[MachineReading]:
    """The zones that count."""
    return [machine.readings[zone.place] for zone in machine.heat.counting]


def _gated(machine: ExaminedMachine, zone: str) -> bool:
    known = machine.board.thermal.zones.get(zone) if machine.board else None
    return known is not None and known.gated


def _limits(machine: ExaminedMachine) -> CheckFinding:
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
    told = "neither the kernel nor the board's profile states a trip point: "
    told += f"{ASSUMED_TRIP_C:g} °C is assumed"
    remedy = "# set thermal.trips.throttle_c in a board profile of your own, see board"
    return note("trip points", told, remedy)


def _trips(machine: ExaminedMachine) -> Iterator[tuple[str, str, float]]:
    """Zone, kind and temperature of each trip point of the zones that count."""
    counting = {zone.name for zone in machine.heat.counting}
    for reader in machine.discovery.readers:
        if isinstance(reader, ThermalReader):
            for zone in reader.zones:
                real = [trip for trip in zone.trips if zone.name in counting and _real(trip)]
                yield from ((zone.name, trip.kind, trip.temp_c) for trip in real)
        elif isinstance(reader, HwmonTemp):
            told = [(n, "limit", c) for n, c in reader.limits_c.items() if n in counting and c > 0]
            yield from told


def _by_profile(machine: ExaminedMachine) -> str:
    known = machine.board.thermal.trips if machine.board else None
    if known is None:
        return ""
    rows = (("slows from", known.throttle_c), ("hot", known.hot_c), ("off", known.shutdown_c))
    told = ", ".join(f"{name} {temp_c:g} °C" for name, temp_c in rows if temp_c is not None)
    return f"by the profile: {told}"


def _real(trip: TripPoint) -> bool:
    return trip.temp_c > 0 and trip.kind in ("passive", "hot", "critical")
