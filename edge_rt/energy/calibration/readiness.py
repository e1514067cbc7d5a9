"""Whether a board can be measured: its guard, its limits and other programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge_rt.board.meters import CpuWatch
from edge_rt.core.clock import Pause
from edge_rt.governor.loop import GovernorLoop

BUSY_CORES = 0.4  # that other programs may use
FULL_DUTY = 0.99
LOOK_S = 1.0  # between two looks at a board that is not ready
SETTLE_S = 0.5  # for whoever asked to come to rest


class Unready(Exception):
    """The board cannot be measured, and why."""


class Readiness:
    """Looks at guard, limits and other programs."""

    def __init__(
        self,
        governor_loop: GovernorLoop,
        cpu: CpuWatch,
        engine: Callable[[], int | None],
        pause: Pause = asyncio.sleep,
    ) -> None:
        """`cpu` is looked at by nobody else; `engine` gives the process id of the engine."""
        self._governor_loop, self._pause = governor_loop, pause
        self._cpu, self._engine = cpu, engine

    def obstacle(self) -> str | None:
        """Return what keeps the board from its full speed now; None: nothing."""
        limits, seen = self._governor_loop.limits, self._governor_loop.seen
        if limits.guard != "ok":
            temp_c, trip_c = (seen.guarded_c, seen.trip_c) if seen else (None, None)
            told = "" if temp_c is None else f": {temp_c:.1f} °C"
            told += "" if trip_c is None else f", and from {trip_c:.0f} °C on it slows down"
            return f"the board is hot{told}. Let it cool, or cool it better"
        if limits.duty < FULL_DUTY or limits.admission != "open":
            budget = self._governor_loop.governor.budget
            told = f"the board is held back: {limits.why}."
            if (budget.power_w, budget.temp_c, budget.energy_j) == (None, None, None):
                return f"{told} Try again once it is not"
            lifted = "edge-rt budget --power none --temp none --energy none"
            return f"{told} Lift the budget for as long as it takes: {lifted}"
        return None

    async def crowd(self, seconds: float) -> str | None:
        """Watch other programs for `seconds`; return a sentence if they use too much, else None."""
        await self._pause(SETTLE_S)
        self._cpu.look(self._engine())
        await self._pause(seconds)
        seen = self._cpu.look(self._engine())
        if seen is None or seen[1] <= BUSY_CORES:
            return None
        return (
            f"other programs keep {seen[1]:.1f} cores busy, so nothing measured now would hold "
            "later. End them, or measure all the same with --force"
        )

    async def wait(self, patience_s: float) -> None:
        """Wait until there is no obstacle; raise Unready after `patience_s`."""
        await self._wait(patience_s, self.obstacle)

    async def wait_to_run(self, patience_s: float) -> None:
        """Wait until the engine may compute, however slowly; raise Unready after `patience_s`."""
        await self._wait(patience_s, self._standstill)

    def _standstill(self) -> str | None:
        limits = self._governor_loop.limits
        if limits.admission == "open" and limits.duty > 0.0:
            return None
        return f"the engine may not compute: {limits.why}"

    async def _wait(self, patience_s: float, look: Callable[[], str | None]) -> None:
        waited_s = 0.0
        while (found := look()) is not None:
            if waited_s >= patience_s:
                raise Unready(found)
            await self._pause(LOOK_S)
            waited_s += LOOK_S
