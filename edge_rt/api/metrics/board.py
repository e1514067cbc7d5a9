"""What /metrics shows of the board: a report made at each scrape, turned into series.

What is missing has no series, for a 0 would be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from edge_rt.core.reports.board import BoardReport, ChannelState, RailEnergy, Supply

T = TypeVar("T")
Family = GaugeMetricFamily | CounterMetricFamily

# Kind -> name, label for the channel's name, help. `energy_j` is not here: the energies of the
# report are those counters, and hold the rails that have no counter too.
KINDS: dict[str, tuple[str, str, str]] = {
    "power_w": ("rail_power_watts", "rail", "Power of a rail; parts are beside the whole."),
    "voltage_v": ("rail_voltage_volts", "rail", "Voltage of a rail."),
    "current_a": ("rail_current_amperes", "rail", "Current of a rail."),
    "temp_c": ("zone_temperature_celsius", "zone", "Temperature of a zone."),
    "clock_hz": ("clock_hertz", "name", "A clock, or the limit that its name tells."),
    "flag": ("board_flag", "flag", "1 where the board raises the flag, else 0."),
    "fraction": ("board_ratio", "name", "Use of the CPU, drive of a fan, pressure: 0 to 1."),
    "bytes": ("board_bytes", "name", "Memory of the board."),
    "rpm": ("fan_rpm", "fan", "Turns of a fan per minute."),
    "count": ("board_events_total", "event", "What the board counts, such as throttling."),
}


def board_families(report: BoardReport) -> list[Metric]:
    """The families of one report; of channels with the same name and kind the first counts."""
    channels = _firsts(report.channels, lambda channel: (channel.name, channel.kind))
    families = [_info(report), *_channels(channels), *_heat(report), *_energies(report.energies)]
    families += [] if report.supply is None else _supply(report.supply)
    families.append(_missing(channels))
    return [family for family in families if family.samples]


def _info(report: BoardReport) -> Family:
    labels = ("board", "confidence", "simulated")
    family = _gauge("board_info", "The profile in use, and whether the board is real.", labels)
    if (board := report.board) is not None:
        family.add_metric([board.id, board.confidence, str(report.simulated).lower()], 1)
    return family


def _channels(channels: list[ChannelState]) -> list[Family]:
    families = {kind: _family(kind) for kind in KINDS}
    for channel in channels:
        if channel.value is not None and channel.kind in families:
            quality = [channel.quality] if channel.kind == "power_w" else []
            families[channel.kind].add_metric([channel.name, *quality], channel.value)
    return list(families.values())


def _heat(report: BoardReport) -> list[Family]:
    """The hottest zone that counts, and the zone nearest to its own trip point."""
    hot = _gauge("board_temperature_celsius", "The hottest zone that counts.", ())
    if report.temp_c is not None:
        hot.add_metric([], report.temp_c)
    text = "Where the zone nearest to its trip point makes the board slow down."
    trip = _gauge("trip_temperature_celsius", text, ("zone",))
    if (near := report.nearest) is not None and near.trip_c is not None:
        trip.add_metric([near.name], near.trip_c)
    return [hot, trip]


def _family(kind: str) -> Family:
    name, label, text = KINDS[kind]
    make = _counter if name.endswith("_total") else _gauge
    return make(name, text, (label, "quality") if kind == "power_w" else (label,))


def _energies(energies: list[RailEnergy]) -> list[Family]:
    joules = _counter(
        "rail_energy_joules_total",
        "Energy of a rail since it was found.",
        ("rail", "quality"),
    )
    text = "Seconds of which a rail's energy is not known."
    missing = _counter("rail_missing_seconds_total", text, ("rail",))
    for rail in _firsts(energies, lambda energy: energy.name):
        joules.add_metric([rail.name, rail.quality], rail.energy_j)
        missing.add_metric([rail.name], rail.missing_s)
    return [joules, missing]


def _supply(supply: Supply) -> list[Family]:
    labels = ("covers", "quality")
    power = _gauge("supply_power_watts", "Power of the rails that form the total.", labels)
    joules = _counter(
        "supply_energy_joules_total", "Energy of the total since it was found.", labels
    )
    text = "Seconds of which the total's energy is not known."
    missing = _counter("supply_missing_seconds_total", text, labels)
    given = [supply.covers, supply.quality]
    if supply.power_w is not None:
        power.add_metric(given, supply.power_w)
    joules.add_metric(given, supply.energy_j)
    missing.add_metric(given, supply.missing_s)
    return [power, joules, missing]


def _missing(channels: list[ChannelState]) -> Family:
    text = "1 where a channel has no current value, else 0."
    family = _gauge("sensor_missing", text, ("reader", "name", "kind"))
    for channel in channels:
        labels = [channel.reader, channel.name, channel.kind]
        family.add_metric(labels, float(channel.value is None))
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> Family:
    return GaugeMetricFamily(f"edge_rt_{name}", text, labels=labels)


def _counter(name: str, text: str, labels: tuple[str, ...]) -> Family:
    return CounterMetricFamily(f"edge_rt_{name}", text, labels=labels)


def _firsts(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """The first item of each key; Prometheus refuses a page on which a series comes twice."""
    found: dict[Hashable, T] = {}
    for item in items:
        found.setdefault(key(item), item)
    return list(found.values())
