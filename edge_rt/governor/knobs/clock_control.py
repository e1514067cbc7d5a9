"""Sets the board's clocks to the governor's limits, so that the governor never waits for a file."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

from edge_rt.core.limits import ClockSteps, Limits
from edge_rt.governor.knobs.governed_clock import GovernedClock

log = logging.getLogger(__name__)

LOOK_S = 1.0  # between two checks for clocks set by other programs
HUNG_S = 5.0  # after which a file counts as one that does not answer

Do = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
"""Runs one function after the other in a thread."""


class ClockControl:
    """Sets clocks in a thread, one write at a time; newer limits replace those that still wait.

    A clock that is not governed, or not found yet, has no steps, and is None in Hz.
    """

    def __init__(
        self,
        cpu: GovernedClock,
        gpu: GovernedClock,
        do: Do,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is in seconds."""
        self._all = cpu, gpu
        self._governed = [False, False]
        self._wanted: list[float | None] = [None, None]
        self._ineffective = False, False  # whether limits have no effect
        self._do, self._clock = do, clock
        self._due = asyncio.Event()
        self._since: float | None = None  # the time at which the work in progress has begun
        self._warned = False

    @property
    def steps(self) -> ClockSteps:
        """What the governor may choose from now."""
        cpu, gpu = (
            clock.steps if governed else ()
            for clock, governed in zip(self._all, self._governed, strict=True)
        )
        return ClockSteps() if self._hung() else ClockSteps(cpu, gpu)

    @property
    def cpu_hz(self) -> float | None:
        """The highest clock of the CPU in force."""
        return self._all[0].hz

    @property
    def gpu_hz(self) -> float | None:
        """The highest clock of the GPU in force."""
        return self._all[1].hz

    def govern(self, cpu: bool, gpu: bool) -> None:
        """Govern these clocks from now on; a clock that is no longer governed is put back."""
        if self._governed != [cpu, gpu]:
            self._governed = [cpu, gpu]
            self._due.set()

    def obey(self, limits: Limits, ineffective: tuple[bool, bool] = (False, False)) -> None:
        """Request the clocks of `limits`; returns at once.

        `ineffective` tells of the CPU's clock and of the GPU's whether limits have no effect: such
        a clock is given up.
        """
        wanted = [limits.cpu_hz, limits.gpu_hz]
        if (wanted, ineffective) != (self._wanted, self._ineffective) and any(self._governed):
            self._due.set()
        self._wanted, self._ineffective = wanted, ineffective

    async def run(self) -> None:
        """Set and watch clocks for ever."""
        while True:
            await self._wait()
            self._due.clear()
            self._since = self._clock()
            await self._do(self.look)
            self._since = None

    def look(self) -> None:
        """Set each clock, unless another program has set it; for a thread."""
        told = zip(self._all, self._governed, self._wanted, self._ineffective, strict=True)
        for clock, governed, wanted, ineffective in told:
            if governed and ineffective:
                clock.give_up()
            elif governed or clock.capped:
                clock.look(wanted if governed else None)
            elif clock.begun:
                clock.release()

    @contextmanager
    def lifted(self) -> Generator[None]:
        """Have no clock capped while the block runs, which may change what they can do.

        For a thread.
        """
        told = zip(self._all, self._governed, self._wanted, strict=True)
        again = [(clock, hz if governed else None) for clock, governed, hz in told if clock.lift()]
        try:
            yield
        finally:
            for clock, hz in again:
                clock.look(hz)

    def settle(self) -> None:
        """Write the clocks in force to the journal; for a thread."""
        for clock in self._all:
            clock.settle()

    async def _wait(self) -> None:
        busy = any(self._governed) or any(clock.begun for clock in self._all)
        due = asyncio.ensure_future(self._due.wait())
        try:  # no `wait_for`: in Python 3.11 it may take a cancellation for an end of its own
            await asyncio.wait((due,), timeout=LOOK_S if busy else None)
        finally:
            due.cancel()

    def _hung(self) -> bool:
        since = self._since
        hung = since is not None and self._clock() - since > HUNG_S
        if hung and not self._warned:
            log.error("no clock is set: a clock file does not answer within %g s", HUNG_S)
        self._warned = hung
        return hung
