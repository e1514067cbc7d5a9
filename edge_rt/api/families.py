"""What /metrics shows of board, governor and cache: series that are made at each scrape.

What is missing has no series, for a 0 would be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar, get_args

from edge_rt.api.caching import Caching
from edge_rt.api.meters import Series, counter, gauge
from edge_rt.core.reports.board import BoardReport, ChannelState, RailEnergy, Supply
from edge_rt.core.reports.governor import Admission, GovernorState, Guard
from edge_rt.core.reports.planning import StorageReport
from edge_rt.energy.ledger_records import IDLE
from edge_rt.energy.meter import EnergyMeter

if TYPE_CHECKING:
    from prometheus_client import Metric

T = TypeVar("T")
# Kind -> name, label for the channel's name, help. `energy_j` is not here: the energies of the
# report are those counters, and hold the rails that have no counter too.
KINDS: dict[str, tuple[str, str, str]] = {
    "power_w": ("rail_power_watts", "rail", "Power of a rail; parts are beside the whole."),
    "voltage_v": ("rail_voltage_volts", "rail", "Voltage of a rail."),
    "current_a": ("rail_current_amperes", "rail", "Current of a rail."),
    "temp_c": ("zone_temperature_celsius", "zone", "Temperature of a zone."),
    "clock_hz": ("clock_hertz", "name", "A clock, or the limit that its name tells."),
    "flag": ("board_flag", "flag", "1 where the board raises the flag, else 0."),
    "fraction": ("board_ratio", "name", "Use of the CPU, drive of a fan: 0 to 1."),
    "bytes": ("board_bytes", "name", "Memory of the board."),
    "rpm": ("fan_rpm", "fan", "Turns of a fan per minute."),
    "count": ("board_events_total", "event", "What the board counts, such as throttling."),
}


def governor_families(state: GovernorState) -> list[Metric]:
    """Return the families of the governor's state."""
    guards = (([each], float(each == state.guard)) for each in get_args(Guard))
    admission = state.limits.admission
    admissions = (([each], float(each == admission)) for each in get_args(Admission))
    held_back = (([by], seconds) for by, seconds in state.held_back_s.items())
    text = "Seconds in which there was work and a limit held it back."
    return _shown(
        *(gauge(name, text, _one(value)) for name, text, value in _figures(state)),
        gauge("guard_state", "1 for the state of the guard.", guards, "state"),
        gauge("admission_state", "1 for what happens to new requests.", admissions, "state"),
        counter("held_back_seconds", text, held_back, "by"),
    )


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


def cache_families(caching: Caching) -> list[Metric]:
    """Return the families of kept answers."""
    hits = (([model], float(count)) for model, count in caching.hits.items())
    saved = (([model], joules) for model, joules in caching.saved_j.items())
    nearby = caching.nearby
    near = None if nearby is None else nearby.hits
    compared: Mapping[str, int] = {} if nearby is None else nearby.cache.compared
    verdicts_j = None if nearby is None else nearby.cache.verdicts_j
    size = None if caching.cache is None else caching.cache.file_bytes
    hits_text = "Requests answered with what was answered before."
    near_text = "Of the hits, those to questions that mean the same."
    saved_text = "Joules that those answers took when they were made, where known."
    return _shown(
        counter("cache_hits", hits_text, hits, "model"),
        counter("cache_semantic_hits", near_text, _one(near)),
        counter(
            "cache_comparisons",
            "Answers compared with those that a near question had got.",
            (([verdict], float(count)) for verdict, count in compared.items()),
            "verdict",
        ),
        counter("cache_verdict_joules", "Joules of verdicts on these.", _one(verdicts_j)),
        counter("cache_misses", "Requests that were not answered before.", _one(caching.misses)),
        counter("cache_saved_joules", saved_text, saved, "model"),
        gauge("cache_bytes", "What is kept of answers on the disk.", _one(size)),
    )


def app_families(meter: EnergyMeter) -> list[Metric]:
    """Return the families of applications, whose number is bounded."""
    budgets = meter.apps.report()
    joules = [([app], energy_j) for app, energy_j in {**meter.app_j, IDLE: meter.idle_j}.items()]
    spent_text = "Joules of the application in the present hour, where it has a budget."
    limits = (([one.app], one.limit_j) for one in budgets)
    spent = (([one.app], one.spent_j) for one in budgets)
    return _shown(
        counter("app_energy_joules", "Known joules; those of the idle draw apart.", joules, "app"),
        gauge("app_budget_joules", "Most joules of an hour.", limits, "app"),
        gauge("app_spent_joules", spent_text, spent, "app"),
    )


def storage_families(report: StorageReport) -> list[Metric]:
    """Return the families of the state directory."""
    writable = (([file], float(file not in report.failing)) for file in report.files)
    aside = _one(len(report.aside))
    return _shown(
        gauge("storage_writable", "0: what is to be in the file is not.", writable, "file"),
        gauge("storage_aside_files", "Damaged files that were put aside.", aside),
        gauge("storage_free_bytes", "Of the state directory's disk.", _one(report.free_bytes)),
    )


def board_families(report: BoardReport) -> list[Metric]:
    """Return the families of one report.

    Of channels with the same name and kind the first counts.
    """
    channels = _firsts(report.channels, lambda channel: (channel.name, channel.kind))
    missing = (([c.reader, c.name, c.kind], float(c.value is None)) for c in channels)
    text = "1 where a channel has no current value, else 0."
    return _shown(
        _info(report),
        *(_channels(kind, channels) for kind in KINDS),
        *_heat(report),
        *_energies(report.energies),
        *(() if report.supply is None else _supply(report.supply)),
        gauge("sensor_missing", text, missing, "reader", "name", "kind"),
    )


def _info(report: BoardReport) -> Metric:
    board, simulated = report.board, str(report.simulated).lower()
    known: Series = [] if board is None else [([board.id, board.confidence, simulated], 1.0)]
    text = "The profile in use, and whether the board is real."
    return gauge("board_info", text, known, "board", "confidence", "simulated")


def _channels(kind: str, channels: list[ChannelState]) -> Metric:
    name, label, text = KINDS[kind]
    make, power = counter if name.endswith("_total") else gauge, kind == "power_w"
    series = [([c.name, *[c.quality] * power], c.value) for c in channels if c.kind == kind]
    return make(name, text, series, label, *["quality"] * power)


def _heat(report: BoardReport) -> Iterable[Metric]:
    """Return the hottest zone that counts, and the zone nearest to its own trip point."""
    near, text = report.nearest, "The hottest zone that counts."
    yield gauge("board_temperature_celsius", text, _one(report.temp_c))
    text = "Where the zone nearest to its trip point makes the board slow down."
    trip: Series = [] if near is None else [([near.name], near.trip_c)]
    yield gauge("trip_temperature_celsius", text, trip, "zone")


def _energies(energies: list[RailEnergy]) -> Iterable[Metric]:
    rails = _firsts(energies, lambda energy: energy.name)
    joules = (([rail.name, rail.quality], rail.energy_j) for rail in rails)
    text = "Energy of a rail since it was found."
    yield counter("rail_energy_joules_total", text, joules, "rail", "quality")
    missing = (([rail.name], rail.missing_s) for rail in rails)
    text = "Seconds of which a rail's energy is not known."
    yield counter("rail_missing_seconds_total", text, missing, "rail")


def _supply(supply: Supply) -> Iterable[Metric]:
    given, labels = [supply.covers, supply.quality], ("covers", "quality")
    text = "Power of the rails that form the total."
    yield gauge("supply_power_watts", text, [(given, supply.power_w)], *labels)
    text = "Energy of the total since it was found."
    yield counter("supply_energy_joules_total", text, [(given, supply.energy_j)], *labels)
    text = "Seconds of which the total's energy is not known."
    yield counter("supply_missing_seconds_total", text, [(given, supply.missing_s)], *labels)


def _one(value: float | None) -> Series:
    """Return the series of a family without labels."""
    return [((), value)]


def _shown(*families: Metric) -> list[Metric]:
    return [family for family in families if family.samples]


def _firsts(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """Return the first item of each key.

    Prometheus refuses a page on which a series comes twice.
    """
    found: dict[Hashable, T] = {}
    for item in items:
        found.setdefault(key(item), item)
    return list(found.values())
