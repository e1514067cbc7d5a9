"""What the ledger holds in memory until it is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edge_rt.energy.ledger.record import Day, ModelDay, UsageRecord, of_model

KEPT = 1000  # requests; about 0.5 MB


class Pending:
    """Sums, all of them, and the newest KEPT requests, oldest first."""

    def __init__(self) -> None:
        self.entries: deque[UsageRecord] = deque(maxlen=KEPT)
        self.days: dict[str, Day] = {}
        self.hours: dict[int, float] = {}  # the supply's joules
        self.models: dict[tuple[str, str], ModelDay] = {}

    def book(self, entry: UsageRecord) -> None:
        """Take a request."""
        self._model(of_model(entry))
        self.entries.append(entry)

    def day(self, more: Day) -> None:
        """Take more of a day."""
        before = self.days.get(more.day)
        self.days[more.day] = more if before is None else before.plus(more)

    def hour(self, number: int, energy_j: float) -> None:
        """Take more of an hour."""
        self.hours[number] = self.hours.get(number, 0.0) + energy_j

    def add(self, later: Pending) -> None:
        """Take all that another one holds, which came after this."""
        self.entries.extend(later.entries)
        self.totals(later.days.values(), later.models.values())
        for number, energy_j in later.hours.items():
            self.hour(number, energy_j)

    def totals(self, days: Iterable[Day], models: Iterable[ModelDay]) -> None:
        """Take sums made elsewhere."""
        for day in days:
            self.day(day)
        for model in models:
            self._model(model)

    def newest(self, count: int) -> tuple[list[Day], list[ModelDay]]:
        """The sums of the newest `count` days that anything is known of, newest first."""
        known = sorted({*self.days, *(day for day, _ in self.models)}, reverse=True)[:count]
        days = [self.days[day] for day in known if day in self.days]
        models = sorted(self.models.values(), key=lambda total: total.model)
        models.sort(key=lambda total: total.day, reverse=True)
        return days, [total for total in models if total.day in known]

    def __str__(self) -> str:
        """How much it is, in words; empty where it is nothing."""
        days = len({*self.days, *(day for day, _ in self.models)})
        parts = [_counted(len(self.entries), "request")] if self.entries else []
        parts += [f"the sums of {_counted(days, 'day')}"] if days else []
        return " and ".join(parts)

    def _model(self, more: ModelDay) -> None:
        key = (more.day, more.model)
        before = self.models.get(key)
        self.models[key] = more if before is None else before.plus(more)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
