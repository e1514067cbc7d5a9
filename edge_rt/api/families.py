"""What /metrics shows of board, governor, cache and marks: series that are made at each scrape.

What is missing has no series, for a 0 would be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar, get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from edge_rt.api.caching import Caching
from edge_rt.api.edge.marking import Marking
from edge_rt.core.reports.board import BoardReport, ChannelState, RailEnergy, Supply
from edge_rt.core.reports.governor import Admission, GovernorState, Guard
from edge_rt.core.reports.router import StorageReport


def governor_families(state: GovernorState) -> list[Metric]:
    """The families of one state."""
    gauges = [_figure(*figure) for figure in _figures(state)]
    families = [
        *gauges,
        _states("guard_state", "1 for the state of the guard.", get_args(Guard), state.guard),
        _states(
            "admission_state",
            "1 for what happens to new requests.",
            get_args(Admission),
            state.limits.admission,
        ),
        _held_back(state),
    ]
    return [family for family in families if family.samples]


def _figures(state: GovernorState) -> Iterable[tuple[str, str, float | None]]:
    budget, limits = state.budget, state.limits
    yield "budget_power_watts", "Cap on the supply's mean power.", budget.power_w
    yield "budget_temperature_celsius", "Cap on the hottest zone.", budget.temp_c
    yield "budget_energy_joules", "Cap on the supply's energy of an hour or a day.", budget.energy_j
    yield "budget_spent_joules", "Energy of the present hour or day.", state.spent_j
    yield "budget_left_seconds", "Until that hour or day is over.", state.period_left_s
    yield "allowance_watts", "What the board may draw now.", state.allowance_w
    yield "predicted_watts", "What it will draw at the limits in force.", state.predicted_w
    yield "forecast_temperature_celsius", "The hottest zone to come.", state.forecast_c
    yield "forecast_band_celsius", "Nine in ten forecasts are right within this.", state.band_c
    yield "forecast_horizon_seconds", "How far ahead forecasts look.", state.horizon_s
    yield "forecast_trusted", "1 where forecasts are believed, else 0.", float(state.trusted)
    yield "guard_seconds", "Until the board is too hot at what it draws now.", state.guard_in_s
    yield "limit_threads", "Threads that the engine may use.", limits.threads
    yield "limit_duty_ratio", "Share of the time that the engine may compute.", limits.duty
    yield "limit_cpu_hertz", "Highest clock of the CPU.", limits.cpu_hz
    yield "limit_gpu_hertz", "Highest clock of the GPU.", limits.gpu_hz
    yield "limit_prompt_tokens", "Most tokens of a prompt in one pass.", limits.prefill_chunk


def _figure(name: str, text: str, value: float | None) -> Metric:
    return GaugeMetricFamily(f"edge_rt_{name}", text, value=value)


def _states(name: str, text: str, states: Iterable[str], now: str) -> Metric:
    family = _gauge(name, text, ("state",))
    for state in states:
        family.add_metric([state], float(state == now))
    return family


def _held_back(state: GovernorState) -> Metric:
    text = "Seconds in which there was work and a limit held it back."
    family = _counter("held_back_seconds", text, ("by",))
    for by, seconds in state.held_back_s.items():
        family.add_metric([by], seconds)
    return family


def cache_families(caching: Caching) -> list[Metric]:
    """The families of the cache as it stands."""
    text = "Requests answered with what was answered before."
    hits = _counter("cache_hits", text, ("model",))
    for model, count in caching.hits.items():
        hits.add_metric([model], count)
    text = "Joules that those answers took when they were made, where known."
    saved = _counter("cache_saved_joules", text, ("model",))
    for model, joules in caching.saved_j.items():
        saved.add_metric([model], joules)
    near = _counter("cache_semantic_hits", "Of the hits, those to questions that mean the same.")
    if caching.nearby is not None:
        near.add_metric([], caching.nearby.hits)
    misses = _counter("cache_misses", "Requests that were not answered before.")
    misses.add_metric([], caching.misses)
    size = _gauge("cache_bytes", "What is kept of answers on the disk.")
    if caching.cache is not None and caching.cache.file_bytes is not None:
        size.add_metric([], caching.cache.file_bytes)
    return [family for family in (hits, near, misses, saved, size) if family.samples]


def storage_families(report: StorageReport) -> list[Metric]:
    """The families of the disk as it stands."""
    text = "0: what is to be in the file is not."
    writable = _gauge("storage_writable", text, ("file",))
    for file in report.files:
        writable.add_metric([file], file not in report.failing)
    aside = _gauge("storage_aside_files", "Damaged files that were put aside.")
    aside.add_metric([], len(report.aside))
    free = _gauge("storage_free_bytes", "Of the state directory's disk.")
    if report.free_bytes is not None:
        free.add_metric([], report.free_bytes)
    return [family for family in (writable, aside, free) if family.samples]


def marking_families(marking: Marking) -> list[Metric]:
    """The family of marks as it stands."""
    text = (
        "Marks of answers: good or bad, given by feedback or told by a regeneration, and whether "
        "the router has learnt from them."
    )
    marks = _counter("marks", text, ("mark", "by", "counted"))
    for told, count in marking.counts.items():
        mark = "good" if told.good else "bad"
        marks.add_metric([mark, told.by, str(told.counted).lower()], count)
    return [marks] if marks.samples else []


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
    hot = _gauge("board_temperature_celsius", "The hottest zone that counts.")
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


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Family:
    return GaugeMetricFamily(f"edge_rt_{name}", text, labels=labels)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Family:
    return CounterMetricFamily(f"edge_rt_{name}", text, labels=labels)


def _firsts(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """The first item of each key; Prometheus refuses a page on which a series comes twice."""
    found: dict[Hashable, T] = {}
    for item in items:
        found.setdefault(key(item), item)
    return list(found.values())
