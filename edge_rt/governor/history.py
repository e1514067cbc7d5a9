"""The board's past: one row a second for hours, means of ten seconds for a day."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Guard, Limits, Observation
from edge_rt.core.reports.governor import Past
from edge_rt.governor.policy.guard import STATES
from edge_rt.governor.report import GovernorReport

FINE_S, FINE_ROWS = 1.0, 7200
COARSE_S, COARSE_ROWS = 10.0, 8640
_NEARLY = 0.95  # of a second: looks come a little early or late
_LAST = ("time", "forecast_c", "band_c", "cap_w", "trip_c")  # in means: as it stood in the end
_TOP = ("guard", "running", "waiting")  # and these as they were at most
_WHOLE = ("threads", "running", "waiting")


@dataclass(frozen=True)
class Moment:
    """One row; `forecast_c` is the temperature forecast for it, None without a forecast."""

    time: float  # Unix seconds
    power_w: float | None
    temp_c: float | None
    forecast_c: float | None
    band_c: float | None
    allowance_w: float | None
    cap_w: float | None
    trip_c: float | None
    duty: float
    threads: int
    guard: Guard
    running: int
    waiting: int
    tokens_per_s: float


_NAMES = tuple(field.name for field in fields(Moment))


def _keep(ring: array[float], row: Sequence[float], rows: int) -> None:
    """Append `row` to a flat array of rows; the oldest one is forgotten."""
    ring.extend(row)
    del ring[: max(0, len(ring) - rows * len(row))]


def _rows(ring: array[float], since: float, until: float = math.inf) -> list[array[float]]:
    """Return the rows with `since` <= time < `until`, oldest first, so that time only grows.

    Rows of before the clock was set back, that seem to be from later than newer ones, are out.
    """
    wanted: list[array[float]] = []
    for begin in range(len(ring) - len(_NAMES), -1, -len(_NAMES)):
        if since <= ring[begin] < until:
            until = ring[begin]
            wanted.append(ring[begin : begin + len(_NAMES)])
    return wanted[::-1]


class BoardHistory:
    """Remembers moments for a day in about 2 MB."""

    def __init__(self, horizon_s: float, wall: Callable[[], float]) -> None:
        """`wall` gives Unix seconds; `horizon_s` is how far ahead forecasts look."""
        self._horizon_s = horizon_s
        self._wall = wall
        self._fine, self._coarse = array("d"), array("d")  # rows, as plain numbers; NaN: not known
        self._second: list[Observation] = []  # of the next moment
        self._part: list[list[float]] = []  # of the next mean

    def take(
        self, seen: Observation, limits: Limits, report: GovernorReport, budget: BudgetConfig
    ) -> None:
        """Take a look of the governor; those of about a second make a moment."""
        self._second.append(seen)
        if sum(look.dt_s for look in self._second) < _NEARLY * FINE_S:
            return
        self.add(_moment(self._wall(), self._second, limits, report, budget))
        self._second.clear()

    def add(self, moment: Moment) -> None:
        """Take a moment, about one a second."""
        told = {**vars(moment), "guard": STATES.index(moment.guard)}
        row = [math.nan if told[name] is None else told[name] for name in _NAMES]
        _keep(self._fine, row, FINE_ROWS)
        if self._part and not 0.0 <= moment.time - self._part[0][0] < COARSE_S:
            columns = zip(_NAMES, zip(*self._part, strict=True), strict=True)
            _keep(self._coarse, [_summed(*column) for column in columns], COARSE_ROWS)
            self._part.clear()
        self._part.append(row)

    def past(self, since_s: float) -> Past:
        """Return the last `since_s` seconds; where single seconds are forgotten, means."""
        since = self._wall() - since_s
        fine = _rows(self._fine, since)
        rows = [*_rows(self._coarse, since, fine[0][0] if fine else math.inf), *fine]
        told: dict[str, Any] = {
            name: _told(name, [row[k] for row in rows]) for k, name in enumerate(_NAMES)
        }
        return Past(self._horizon_s, **told)


def _moment(
    time: float,
    looks: Sequence[Observation],
    limits: Limits,
    report: GovernorReport,
    budget: BudgetConfig,
) -> Moment:
    known = [(look.dt_s, look.power_w) for look in looks if look.power_w is not None]
    power_s, seconds = sum(dt_s for dt_s, _ in known), sum(look.dt_s for look in looks)
    now = looks[-1]
    return Moment(
        time=time,
        power_w=sum(dt_s * power_w for dt_s, power_w in known) / power_s if power_s else None,
        temp_c=now.temp_c,
        forecast_c=report.due_c,
        band_c=report.due_band_c,
        allowance_w=limits.allowance_w,
        cap_w=budget.power_w,
        trip_c=now.hot_trip_c,
        duty=limits.duty,
        threads=limits.threads,
        guard=limits.guard,
        running=now.running,
        waiting=now.waiting,
        tokens_per_s=sum(look.tokens for look in looks) / seconds,
    )


def _summed(name: str, values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    if name in _LAST or not known:
        return values[-1]
    return max(known) if name in _TOP else sum(known) / len(known)


def _told(name: str, values: Sequence[float]) -> list[Any]:
    if name == "guard":
        return [STATES[int(value)] for value in values]
    if name in _WHOLE:
        return [round(value) for value in values]
    return [None if math.isnan(value) else value for value in values]
