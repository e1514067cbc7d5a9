"""The ceilings of processor and memory, and whether a board is at rest."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

import msgspec

from edge_rt.board.meters import CpuWatch
from edge_rt.board_model.calibration import Sweep
from edge_rt.core.clock import Pause
from edge_rt.core.errors import EngineError
from edge_rt.engine.process import end
from edge_rt.governor.loop import GovernorLoop

PROGRAM = (sys.executable, "-m", "edge_rt.backends.ceilings")
SWEEP_S = 8.0  # of all kernels with their warming up, in units of the seconds for each
PATIENCE_S = 60.0  # beyond that
BUSY_CORES = 0.4  # that other programs may use
FULL_DUTY = 0.99
LOOK_S = 1.0  # between two looks at a board that is not ready
SETTLE_S = 0.5  # for whoever asked to come to rest


class KernelResult(msgspec.Struct, frozen=True):
    """The line that edge_rt.backends.ceilings prints after a kernel."""

    end: str
    flop: float
    bytes: float
    seconds: float
    best_flop_per_s: float
    best_byte_per_s: float


class Sweeper:
    """Runs the program in a process of its own."""

    def __init__(self, program: Sequence[str] = PROGRAM, patience_s: float = PATIENCE_S) -> None:
        self.running = False
        self._program, self._patience_s = program, patience_s

    async def sweep(self, threads: int, seconds: float) -> Sweep:
        """Return the ceilings, by kernels of so many seconds; raise EngineError if that fails."""
        process = await asyncio.create_subprocess_exec(
            *self._program,
            str(threads),
            str(seconds),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            cwd="/",  # python -m would look for modules in the working directory first
        )
        self.running = True
        try:
            patience_s = SWEEP_S * seconds + self._patience_s
            said, _ = await asyncio.wait_for(process.communicate(), patience_s)
        except asyncio.TimeoutError:
            raise EngineError("the sweep of the ceilings does not come to an end") from None
        finally:
            await end(process, 0.0)
            self.running = False
        if process.returncode:
            code = process.returncode
            raise EngineError(f"the sweep of the ceilings ended with {code}; see the log")
        lines = (line for line in said.splitlines() if not line.startswith(b'{"begin"'))
        return ceilings([_parsed(line) for line in lines])


def ceilings(kernels: Sequence[KernelResult]) -> Sweep:
    """Return the ceilings that were reached.

    Memory's ceiling is that of what computes less than an operation for each byte.
    """
    streams = [k for k in kernels if k.flop < k.bytes]
    if not streams or len(streams) == len(kernels):
        raise EngineError("the sweep of the ceilings told too little; see the log")
    return Sweep(
        flop_per_s=max(k.best_flop_per_s for k in kernels),
        byte_per_s=max(k.best_byte_per_s for k in streams),
    )


def _parsed(line: bytes) -> KernelResult:
    try:
        return msgspec.json.decode(line, type=KernelResult)
    except ValueError as error:
        raise EngineError(f"the sweep of the ceilings says {line[:80]!r}: {error}") from None


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

    @property
    def temp_c(self) -> float | None:
        """The hottest zone; None where none is read."""
        seen = self._governor_loop.seen
        return None if seen is None else seen.temp_c

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
