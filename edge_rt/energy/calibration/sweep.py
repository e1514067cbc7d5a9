"""The ceilings of processor and memory, and the power at them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import msgspec

from edge_rt.board.integral import Energy
from edge_rt.core.errors import EngineError
from edge_rt.energy.calibration.record import Sweep
from edge_rt.energy.prediction.equation import LEAST, Sample, fit_equation
from edge_rt.energy.prediction.roofline import Workload
from edge_rt.engine.supervisor.process import end

PROGRAM = (sys.executable, "-m", "edge_rt.backends.ceilings")
PATIENCE_S = 30.0  # for a line, beyond the seconds that a kernel is to take


class KernelResult(msgspec.Struct, frozen=True):
    """The line that edge_rt.backends.ceilings prints after a kernel."""

    end: str
    flop: float
    bytes: float
    seconds: float
    best_flop_per_s: float
    best_byte_per_s: float


class _Begun(msgspec.Struct, frozen=True):
    begin: str


class Sweeper:
    """Runs the program in a process of its own, and reads the supply's meter meanwhile."""

    def __init__(
        self,
        meter: Callable[[], Energy | None],
        program: Sequence[str] = PROGRAM,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`meter` gives the supply's joules so far; None where nothing tells its power."""
        self.running = False
        self._meter, self._program, self._patience_s = meter, program, patience_s

    async def sweep(self, threads: int, seconds: float) -> AsyncGenerator[str | Sweep]:
        """Yield the name of each kernel when it starts, and at the end the sweep.

        Raises EngineError where the program fails. Closing the generator ends it.
        """
        kernels: list[KernelResult] = []
        powers_w: list[float | None] = []
        begun = None
        async with aclosing(self._lines(threads, seconds)) as lines:
            async for line in lines:
                if isinstance(line, _Begun):
                    begun = self._meter()
                    yield line.begin
                else:
                    kernels.append(line)
                    powers_w.append(_power_w(begun, self._meter()))
        yield made(kernels, powers_w)

    async def _lines(self, threads: int, seconds: float) -> AsyncGenerator[_Begun | KernelResult]:
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
            assert process.stdout is not None
            patience_s = seconds * 2 + self._patience_s
            while line := await asyncio.wait_for(process.stdout.readline(), patience_s):
                yield _parsed(line)
            if code := await process.wait():
                raise EngineError(f"the sweep of the ceilings ended with {code}; see the log")
        except asyncio.TimeoutError:
            raise EngineError("the sweep of the ceilings does not come to an end") from None
        finally:
            await end(process, 0.0)
            self.running = False


def made(kernels: Sequence[KernelResult], powers_w: Sequence[float | None]) -> Sweep:
    """The ceilings that were reached, and the energy equation where power is known.

    Memory's ceiling is that of what computes less than an operation for each byte.
    """
    streams = [k for k in kernels if k.flop < k.bytes]
    if not streams or len(streams) == len(kernels):
        raise EngineError("the sweep of the ceilings told too little; see the log")
    found = Sweep(
        flop_per_s=max(k.best_flop_per_s for k in kernels),
        byte_per_s=max(k.best_byte_per_s for k in streams),
    )
    samples = [
        Sample(Workload(k.flop, k.bytes), k.seconds, watts * k.seconds)
        for k, watts in zip(kernels, powers_w, strict=True)
        if watts
    ]
    if len(samples) < max(LEAST, len(kernels)):
        return found
    fit = fit_equation(samples)
    return msgspec.structs.replace(
        found,
        flop_j=fit.equation.flop_j,
        byte_j=fit.equation.byte_j,
        static_w=fit.equation.static_w,
        r2=fit.r2,
        held_out_ratio=fit.held_out_ratio,
    )


def _power_w(before: Energy | None, after: Energy | None) -> float | None:
    """Return the mean over the time between two looks at the meter."""
    if before is None or after is None or after.covered_s <= before.covered_s:
        return None
    watts = (after.energy_j - before.energy_j) / (after.covered_s - before.covered_s)
    return watts if watts > 0.0 else None


def _parsed(line: bytes) -> _Begun | KernelResult:
    try:
        if line.startswith(b'{"begin"'):
            return msgspec.json.decode(line, type=_Begun)
        return msgspec.json.decode(line, type=KernelResult)
    except msgspec.MsgspecError as error:
        raise EngineError(f"the sweep of the ceilings says {line[:80]!r}: {error}") from None
