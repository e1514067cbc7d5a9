"""What the temperatures of a board tell: the hottest zone, silent ones, the trip points."""

from __future__ import annotations

from collections.abc import Iterator

from edge_rt.board.heat_zones import AMD_C, ASSUMED_TRIP_C, HeatZone, HeatZones, hottest
from edge_rt.board.readers.bounds import IMPOSSIBLE
from edge_rt.board.readers.heat import HwmonTemp, ThermalReader
from edge_rt.board.sampler import BoardSampler
from edge_rt.config.board import Thermal
from edge_rt.core.reports.finding import Finding, note, ok

_TOLD = 4  # zones that are named
_KINDS = ("passive", "hot", "critical")  # of trip points


def diagnose(sampler: BoardSampler, heat: HeatZones, thermal: Thermal) -> Iterator[Finding]:
    """Yield nothing where no zone that counts can be read; `thermal` is of the board's profile."""
    found = heat.now()
    hot = hottest(found)
    if hot is None:
        return
    told = f"{hot.temp_c:.1f} °C in {hot.name}, the hottest of {len(found)}"
    yield ok("temperature", told + apart(heat))
    yield from _silent(sampler, heat, thermal)
    yield _limits(sampler, heat, thermal)


def apart(heat: HeatZones) -> str:
    """Return the temperatures that do not count, the first of them with their reasons."""
    told = [f"{name} ({reason})" for name, reason in heat.apart.items()]
    return f"; not counted: {_first(told)}" if told else ""


def _first(told: list[str]) -> str:
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return ", ".join(told[:_TOLD]) + more


def _silent(sampler: BoardSampler, heat: HeatZones, thermal: Thermal) -> Iterator[Finding]:
    silent: list[tuple[HeatZone, str]] = []
    gated = [name for name, zone in thermal.zones.items() if zone.gated]
    for zone in heat.counting:
        error = sampler.readings()[zone.place].error or ""
        if IMPOSSIBLE in error and " holds " not in error:  # a part that is off has no value
            yield note("temperature", f"{zone.name} does not count: {error}")
        elif sampler.readings()[zone.place].value is None and zone.name not in gated:
            silent.append((zone, error))
    if silent:
        names = ", ".join(zone.name for zone, _ in silent)
        yield note("temperature", f"{names} gives none: {silent[0][1]}")


def _limits(sampler: BoardSampler, heat: HeatZones, thermal: Thermal) -> Finding:
    trips, known = list(_trips(sampler, heat)), _by_profile(thermal)
    if trips:
        told = _first([f"{zone} {kind} {temp_c:g} °C" for zone, kind, temp_c in trips])
        slows = any(kind != "critical" for _, kind, _ in trips)
        return ok("trip points", told + ("" if slows or not known else f"; {known}"))
    if known:
        return ok("trip points", f"the kernel publishes none; {known}")
    if heat.lowest_trip_c() == AMD_C:
        told = f"none is published: {AMD_C:g} °C, what AMD states for most processors, is assumed"
        return note("trip points", told)
    told = "neither the kernel nor the board's profile states a trip point: "
    told += f"{ASSUMED_TRIP_C:g} °C is assumed"
    remedy = "# set thermal.trips.throttle_c in a board profile of your own, see board"
    return note("trip points", told, remedy)


def _trips(sampler: BoardSampler, heat: HeatZones) -> Iterator[tuple[str, str, float]]:
    """Yield zone, kind and temperature of each trip point of the zones that count."""
    counting = {zone.name for zone in heat.counting}
    for reader in sampler.readers:
        if isinstance(reader, ThermalReader):
            for zone in reader.zones:
                told = [(zone.name, t.kind, t.temp_c) for t in zone.trips if t.kind in _KINDS]
                yield from (row for row in told if zone.name in counting and row[-1] > 0)
        elif isinstance(reader, HwmonTemp):
            limits = reader.limits_c.items()
            yield from ((n, "limit", c) for n, c in limits if n in counting and c > 0)


def _by_profile(thermal: Thermal) -> str:
    known = thermal.trips
    if known is None:
        return ""
    rows = (("slows from", known.throttle_c), ("hot", known.hot_c), ("off", known.shutdown_c))
    told = ", ".join(f"{name} {temp_c:g} °C" for name, temp_c in rows if temp_c is not None)
    return f"by the profile: {told}"
