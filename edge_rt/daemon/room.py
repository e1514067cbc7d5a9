"""Whether a model fits into memory beside what else is there."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.config.schema import Config
from edge_rt.daemon.forms import forms
from edge_rt.daemon.wanted import resident_name, wanted
from edge_rt.energy.pressure import Demand, cpq, feasible
from edge_rt.engine.residency import Residency, Wanted
from edge_rt.models.entry import Entry
from edge_rt.routing.setting import Form


class Room:
    """Knows what is free and what could be freed."""

    def __init__(self, config: Config, residency: Residency, available: Callable[[], int]) -> None:
        """`available` gives the free bytes of the board."""
        self._config, self._residency, self._available = config, residency, available

    @property
    def usable_bytes(self) -> int:
        """What models may take, all together and those included that are loaded."""
        residents = self._residency.residents()
        mapped = sum(r.wanted.mapped_bytes for r in residents)
        taken = sum(r.wanted.need_bytes for r in residents)
        return self._available() - mapped + taken - self._config.models.reserve_bytes

    def lack(self, entry: Entry, beside: Entry | None = None) -> str | None:
        """Why `entry` cannot be had in memory now, `beside` another one; None where it can."""
        if self._residency.get(resident_name(entry)) is not None:
            return None
        usable = self._usable_bytes(beside)
        needs = [self._need(entry, form) for form in forms(entry, self._config.engine)]
        if any(_fits(entry, need, usable) for need in needs):
            return None
        return f"needs {_mb(min(needs))} of memory, and {_mb(max(0, usable))} can be had"

    def form(self, entry: Entry, beside: Entry | None = None, best: Form | None = None) -> Form:
        """How to load `entry` now: in the first form that fits, else in the smallest.

        The `best` comes before all others, and what failed of late after them.
        """
        found = forms(entry, self._config.engine)
        found.sort(key=lambda form: form != best)
        usable = self._usable_bytes(beside) if len(found) > 1 else 0
        ways = {form: self._wanted(entry, form) for form in found}
        found.sort(key=lambda form: self._residency.avoids(ways[form]))
        fitting = (form for form in found if _fits(entry, ways[form].need_bytes, usable))
        return next(fitting, min(found, key=lambda form: ways[form].need_bytes))

    def _usable_bytes(self, beside: Entry | None) -> int:
        """What is left for one more model."""
        residents = self._residency.residents()
        needs = {r.wanted.model: r.wanted.need_bytes for r in residents if r.users}
        if beside is not None:
            held = self._residency.get(resident_name(beside))
            needs[resident_name(beside)] = held.wanted.need_bytes if held else self._need(beside)
        return self.usable_bytes - sum(needs.values())

    def _need(self, entry: Entry, form: Form | None = None) -> int:
        return self._wanted(entry, form).need_bytes

    def _wanted(self, entry: Entry, form: Form | None) -> Wanted:
        return wanted(entry, entry.path, self._config.engine, form)


def _fits(entry: Entry, need: int, usable: int) -> bool:
    return feasible(cpq(Demand(entry.size, need - entry.size), usable))


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
