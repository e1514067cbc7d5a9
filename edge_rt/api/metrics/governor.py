"""What /metrics shows of the governor: its state at each scrape, turned into series.

What is missing has no series, for a 0 would be believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from edge_rt.core.reports.governor import Admission, GovernorState, Guard


def governor_families(state: GovernorState) -> list[Metric]:
    """The families of one state."""
    gauges = [_gauge(*figure) for figure in _figures(state)]
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


def _gauge(name: str, text: str, value: float | None) -> Metric:
    return GaugeMetricFamily(f"edge_rt_{name}", text, value=value)


def _states(name: str, text: str, states: Iterable[str], now: str) -> Metric:
    family = GaugeMetricFamily(f"edge_rt_{name}", text, labels=("state",))
    for state in states:
        family.add_metric([state], float(state == now))
    return family


def _held_back(state: GovernorState) -> Metric:
    text = "Seconds in which there was work and a limit held it back."
    family = CounterMetricFamily("edge_rt_held_back_seconds", text, labels=("by",))
    for by, seconds in state.held_back_s.items():
        family.add_metric([by], seconds)
    return family
