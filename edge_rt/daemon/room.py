"""Whether a model fits into memory beside what else is there."""

from __future__ import annotations

from collections.abc import Callable

from edge_rt.config.schema import Config
from edge_rt.daemon.wanted import resident_name, wanted
from edge_rt.energy.pressure import Demand, cpq, feasible
from edge_rt.engine.residency import Residency
from edge_rt.models.entry import Entry


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
        residents = self._residency.residents()
        if any(r.wanted.model == resident_name(entry) for r in residents):
            return None
        need = self._need(entry)
        stays = None if beside is None else resident_name(beside)
        busy = sum(r.wanted.need_bytes for r in residents if r.users and r.wanted.model != stays)
        busy += 0 if beside is None else self._need(beside)
        usable = self.usable_bytes - busy
        if feasible(cpq(Demand(entry.size, need - entry.size), usable)):
            return None
        return f"needs {_mb(need)} of memory, and {_mb(max(0, usable))} can be had"

    def _need(self, entry: Entry) -> int:
        return wanted(entry, entry.path, self._config.engine).need_bytes


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
