"""Observations as they should be: what cannot be true counts as not seen."""

from __future__ import annotations

import dataclasses
import math

from edge_rt.core.limits import Observation

_TEMPS_C = (-60.0, 200.0)
_TRIPS_C = (20.0, 150.0)
_POWERS_W = (-10.0, 10_000.0)  # sensors with an offset read a little below nothing
_ENERGIES_J = (0.0, 1e15)
_CLOCKS_HZ = (1e6, 1e11)
_MOST_CORES = 4096.0
_MOST_S = 600.0  # of passes between two looks
_MOST = 1_000_000  # tokens, requests


def clean(seen: Observation, cores: int) -> Observation:
    """`seen` without figures that are not numbers or out of all reason.

    `dt_s` becomes 0 where it makes no sense; then nothing is to be learnt.
    """
    return dataclasses.replace(
        seen,
        time_s=_bound(seen.time_s, -math.inf, math.inf),
        dt_s=_bound(seen.dt_s, 0.0, math.inf),
        power_w=_floored(_within(seen.power_w, *_POWERS_W)),
        temp_c=_within(seen.temp_c, *_TEMPS_C),
        near_c=_within(seen.near_c, *_TEMPS_C),
        trip_c=_within(seen.trip_c, *_TRIPS_C),
        fan=_within(seen.fan, 0.0, 1.0),
        threads=int(_bound(seen.threads, 1, cores)),
        busy_s=_bound(seen.busy_s, 0.0, _MOST_S),
        prompt_s=min(_bound(seen.prompt_s, 0.0, _MOST_S), _bound(seen.busy_s, 0.0, _MOST_S)),
        tokens=int(_bound(seen.tokens, 0, _MOST)),
        prompt_tokens=int(_bound(seen.prompt_tokens, 0, _MOST)),
        running=int(_bound(seen.running, 0, _MOST)),
        waiting=int(_bound(seen.waiting, 0, _MOST)),
        others=_within(seen.others, 0.0, _MOST_CORES),
        cpu_s=_within(seen.cpu_s, 0.0, _MOST_CORES * _MOST_S),
        spare_s=_bound(seen.spare_s, 0.0, _MOST_CORES * _MOST_S),
        gpu_s=_within(seen.gpu_s, 0.0, _MOST_S),
        gpu_load=_within(seen.gpu_load, 0.0, 1.0),
        cpu_hz=_within(seen.cpu_hz, *_CLOCKS_HZ),
        gpu_hz=_within(seen.gpu_hz, *_CLOCKS_HZ),
        asked=None if seen.asked is None else int(_bound(seen.asked, 1, cores)),
        supply_j=_within(seen.supply_j, *_ENERGIES_J),
        period_left_s=_within(seen.period_left_s, 0.0, 1e6),
    )


def _within(value: float | None, low: float, high: float) -> float | None:
    """None outside and for what is no number."""
    return value if value is not None and low <= value <= high else None


def _floored(value: float | None) -> float | None:
    return None if value is None else max(0.0, value)


def _bound(value: float | None, low: float, high: float) -> float:
    """The nearest figure within; the lowest finite one, or 0, where there is no number."""
    if value is None or not math.isfinite(value):
        return low if math.isfinite(low) else 0.0
    return min(max(value, low), high)
