"""The lines of the ledger, sums of them in memory, and the report for clients."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from operator import add
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import astuple

from edge_rt.core.reports.board import (
    AppBudgetState,
    AppTotal,
    Booking,
    DayTotal,
    LedgerReport,
    ModelTotal,
)
from edge_rt.core.requests import OWN_APP

Quality = Literal["measured", "modelled", "unresolved"]
Total = TypeVar("Total", ModelTotal, AppTotal)
Status = Literal["done", "cached", "cancelled", "failed"]
"""How a request ended; "cached": with a kept answer."""

HOUR_S, DAY_S = 3_600, 86_400
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIGURES = ("ended", "seconds", "busy_s", "energy_j", "power_w", "temp_c", "saved_j")
_RANK: dict[Quality, int] = {"unresolved": 0, "measured": 1, "modelled": 2}
KEPT = 1000  # requests; about 0.5 MB
IDLE, REST = "(idle)", "(rest)"  # rows beside the applications


class UsageRecord(Booking, frozen=True):
    """One request and its cost; its day is the UTC day of `ended`.

    A figure that is not known is None, and so are figures of other modes of decoding than a model
    by itself. Raises ValueError where a figure is not finite, for it would spoil every sum.
    """

    def __post_init__(self) -> None:
        for name in _FIGURES:
            value: float | None = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} is {value}: a figure of the ledger is finite or None")


class Day(msgspec.Struct, frozen=True):
    """The supply's joules of one UTC day, or a part of them.

    `quality` is "modelled" where any part of it was and "unresolved" where no second is covered.
    """

    day: str  # "2026-01-31"
    quality: Quality
    energy_j: float
    attributed_j: float
    covered_s: float
    missing_s: float
    idle_j: float = 0.0

    @property
    def unattributed_j(self) -> float:
        """What no request answers for: the board at rest, and other programs."""
        return self.energy_j - self.attributed_j

    def plus(self, more: Day) -> Day:
        """Return the sum of these and more figures of the same day."""
        quality: Quality = max(self.quality, more.quality, key=_RANK.__getitem__)
        figures = zip(astuple(self)[2:], astuple(more)[2:], strict=True)
        return Day(self.day, quality, *(one + other for one, other in figures))


def sum_of(total: Total, more: Total) -> Total:
    """Return what requests of the same day and model, or application, took together."""
    day, name, *figures = astuple(total)
    return type(total)(day, name, *map(add, figures, astuple(more)[2:]))


def utc_day(unix_s: float) -> str:
    """Return the UTC day of a time, such as "2026-01-31"; ValueError beyond the years 1 to 9999."""
    return _day(math.floor(unix_s / DAY_S))


@lru_cache(maxsize=8)  # most requests end today
def _day(number: int) -> str:
    return date.fromordinal(_EPOCH_DAY + number).isoformat()


def of_model(entry: UsageRecord) -> ModelTotal:
    """Return what one request adds to its model's day."""
    return ModelTotal(
        utc_day(entry.ended),
        entry.model,
        1,
        int(entry.energy_j is None),
        entry.prompt_tokens,
        entry.cached_tokens,
        entry.completion_tokens,
        entry.busy_s,
        entry.energy_j or 0.0,
        int(entry.status == "cached"),
        entry.saved_j or 0.0,
    )


def of_app(entry: UsageRecord) -> AppTotal:
    """Return what one request adds to its application's day."""
    return AppTotal(
        utc_day(entry.ended),
        entry.app or OWN_APP,
        1,
        int(entry.energy_j is None),
        entry.prompt_tokens + entry.completion_tokens,
        entry.energy_j or 0.0,
    )


class Pending:
    """Sums, all of them, and the newest KEPT requests, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[UsageRecord] = deque(maxlen=KEPT)
        self.days: dict[str, Day] = {}
        self.hours: dict[int, float] = {}  # the supply's joules
        self.models: dict[tuple[str, str], ModelTotal] = {}
        self.apps: dict[tuple[str, str], AppTotal] = {}

    def book(self, entry: UsageRecord) -> None:
        _add(self.models, of_model(entry))
        _add(self.apps, of_app(entry))
        self.entries.append(entry)

    def day(self, more: Day) -> None:
        before = self.days.get(more.day)
        self.days[more.day] = more if before is None else before.plus(more)

    def hour(self, number: int, energy_j: float) -> None:
        self.hours[number] = self.hours.get(number, 0.0) + energy_j

    def add(self, later: Pending) -> None:
        """Take all that another one holds, which came after this."""
        self.entries.extend(later.entries)
        self.totals(later.days.values(), later.models.values(), later.apps.values())
        for number, energy_j in later.hours.items():
            self.hour(number, energy_j)

    def totals(
        self, days: Iterable[Day], models: Iterable[ModelTotal], apps: Iterable[AppTotal] = ()
    ) -> None:
        """Take sums made elsewhere."""
        for day in days:
            self.day(day)
        for model in models:
            _add(self.models, model)
        for app in apps:
            _add(self.apps, app)

    def newest(self, count: int) -> tuple[list[Day], list[ModelTotal]]:
        """Return the sums of the newest `count` days that anything is known of, newest first."""
        known = sorted({*self.days, *(day for day, _ in self.models)}, reverse=True)[:count]
        days = [self.days[day] for day in known if day in self.days]
        models = sorted(self.models.values(), key=lambda total: total.model)
        models.sort(key=lambda total: total.day, reverse=True)
        return days, [total for total in models if total.day in known]

    def __str__(self) -> str:
        """Return the amount in words; empty for nothing."""
        days = len({*self.days, *(day for day, _ in self.models)})
        parts = [_counted(len(self.entries), "request")] if self.entries else []
        parts += [f"the sums of {_counted(days, 'day')}"] if days else []
        return " and ".join(parts)


def _add(sums: dict[tuple[str, str], Total], more: Total) -> None:
    day, name, *_ = astuple(more)
    before = sums.get((day, name))
    sums[day, name] = more if before is None else sum_of(before, more)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def ledger_report(
    stored: bool,
    days: Sequence[Day],
    models: Sequence[ModelTotal],
    last: Sequence[UsageRecord],
    apps: Sequence[AppTotal] = (),
    budgets: Sequence[AppBudgetState] = (),
) -> LedgerReport:
    """Return the state for clients: fields of the same name have the same meaning."""
    return LedgerReport(
        stored=stored,
        days=msgspec.convert(days, list[DayTotal], from_attributes=True),
        models=list(models),
        last=list(last),
        apps=_by_app({day.day: day for day in days}, apps),
        budgets=list(budgets),
    )


def battery_s(capacity_wh: float | None, days: Sequence[DayTotal]) -> float | None:
    """Return the seconds that a battery lasts at the mean power of the newest of `days`."""
    if capacity_wh is None or not days or days[0].energy_j <= 0:
        return None
    return HOUR_S * capacity_wh * days[0].covered_s / days[0].energy_j


def _by_app(days: Mapping[str, Day], apps: Sequence[AppTotal]) -> list[AppTotal]:
    """Return the rows of each day, which add up to its joules; the largest application first."""
    rows: list[AppTotal] = []
    for day in sorted({*days, *(app.day for app in apps)}, reverse=True):
        of_day = sorted((a for a in apps if a.day == day), key=lambda a: (-a.energy_j, a.app))
        rows += of_day
        if whole := days.get(day):
            rows.append(AppTotal(day, IDLE, energy_j=whole.idle_j))
            rest_j = whole.energy_j - whole.idle_j - sum(row.energy_j for row in of_day)
            rows.append(AppTotal(day, REST, energy_j=max(0.0, rest_j)))
    return rows
