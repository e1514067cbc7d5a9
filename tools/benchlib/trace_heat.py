"""The heat of recorded boards without watts: the share of the processor goes in instead.

The product's thermal model learns while a trace goes on. Its forecasts for half a minute are given
the load that really came, and are compared with the temperature that stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchlib.heat_forecasts import LOOK_S, Look, judge, score
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior

_IDLE_W, _LOADED_W = 1.4, 3.7  # of a Raspberry Pi 3B, as owners report
_CORES = 4
_LEARNS_S = 600.0  # before forecasts count


@dataclass(frozen=True)
class Forecasts:
    """Mean absolute errors in K of forecasts for 30 s, and of the last value."""

    trace: str
    error_k: float
    last_k: float

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.trace}: {self.error_k:.2f} K off at 30 s, the last value {self.last_k:.2f} K"


def forecasts(name: str, series: Sequence[tuple[float, float, float]]) -> Forecasts:
    """Forecasts of one trace: time, share of the processor and °C at each second."""
    prior = ThermalPrior.generic(_LOADED_W, fan=False, idle_w=_IDLE_W)
    found = score(judge(ThermalModel(prior), _looks(series)), since_s=_LEARNS_S)
    return Forecasts(name, found.mae_k, found.moved_k)


def heat_errors(found: Sequence[Forecasts]) -> tuple[float, float]:
    """The mean error in K over all traces, and its ratio to that of the last value."""
    error_k = fmean(one.error_k for one in found)
    return error_k, error_k / fmean(one.last_k for one in found)


def _looks(series: Sequence[tuple[float, float, float]]) -> Iterator[Look]:
    """Five looks a second; each reading holds until the next one."""
    time_s, count = series[0][0], 0
    for end_s, share, temp_c in series:
        watts = _IDLE_W + share * (_LOADED_W - _IDLE_W)
        while time_s + count * LOOK_S <= end_s:
            now_s, count = time_s + count * LOOK_S, count + 1
            yield Look(now_s, temp_c, watts, None, true_c=temp_c, came_w=watts, busy=_CORES * share)
