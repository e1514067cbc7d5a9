"""One stream on a daemon that a simulated board lies under: tokens, and what the board drew."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchlib import BenchError
from benchlib.daemon import Ours
from benchlib.fixed_daemon import write_limits
from benchlib.govern import Setup
from benchlib.http import fetch
from benchlib.looks import Look
from benchlib.noise import Sample, Watch
from benchlib.server import Running
from benchlib.sim_board import Recorded, SimBoard, recorded
from benchlib.stream import rate, streaming
from benchlib.workload import Asker

ANSWER = 96  # tokens
_WARM_UP = 8  # tokens of an answer that loads the model

# The client's clock, perf_counter, and the monotonic one of boards are the same on Linux.
clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Span:
    """What was made and drawn in some seconds."""

    tokens_per_s: float
    looks: list[Look]


class Turn:
    """A daemon that serves one stream on a simulated board."""

    def __init__(self, running: Running, asker: Asker, board: Recorded, limits: Path) -> None:
        self._running, self._asker, self._board, self._limits = running, asker, board, limits

    def fix(self, threads: int, duty: float) -> None:
        """Hold the engine to these, where the daemon has no governor."""
        write_limits(self._limits, threads, duty)

    async def budget(self, **change: float | None) -> None:
        """Change the budget; raises BenchError where it is refused."""
        response = await fetch(self._running.address, "PUT", "/edge/v1/budget", change)
        if response.status != 200:
            raise BenchError(f"PUT /edge/v1/budget: {response.status}: {response.body.decode()}")

    def stream(self) -> AbstractAsyncContextManager[None]:
        """Answers one after the other while the block runs."""
        return streaming(self._asker, ANSWER)

    async def watch(self, settle_s: float, seconds: float) -> tuple[float, float]:
        """Let `settle_s` pass, then watch for some seconds; between which times that was."""
        await asyncio.sleep(settle_s)
        begin_s = clock()
        await asyncio.sleep(seconds)
        return begin_s, clock()

    def span(self, times: tuple[float, float]) -> Span:
        """What was made and drawn between two times, once the stream has ended."""
        return Span(rate(self._asker.replies, *times), self._board.between(*times))

    def looks(self) -> list[Look]:
        """All that the board did up to now."""
        return self._board.between(0.0, clock())

    def cpu_s(self) -> float:
        """CPU seconds of the daemon and its engine so far."""
        return self._running.child.cpu_s()


@asynccontextmanager
async def turn(
    setup: Setup, label: str, board: SimBoard, governed: bool, samples: list[Sample]
) -> AsyncGenerator[Turn]:
    """A fresh daemon with a warm model on a fresh board; with a governor, or constant limits.

    The machine is watched meanwhile; its samples are added to `samples` at the end.
    """
    directory = Path(tempfile.mkdtemp(dir=setup.directory))
    limits = directory / "limits"
    write_limits(limits, 1, 1.0)
    (directory / "boards.d").mkdir()
    (directory / "boards.d" / f"{board.name}.yaml").write_text(board.profile())
    fixed = str(setup.python), "-m", "benchlib.fixed_daemon", str(limits)
    watch, before_s = Watch(label, setup.patience_s), time.process_time()
    async with recorded(board, setup.python, directory) as simulated:
        side = Ours(
            setup.python,
            setup.store,
            directory,
            extra={"sensors": {"root": str(simulated.root)}},
            program=() if governed else fixed,
        )
        async with side.run(setup.settings) as running:
            asker = Asker(running.address, setup.settings.model, setup.prompts)
            made = Turn(running, asker, simulated, limits)
            try:
                await asker.short(_WARM_UP)
                yield made
            except BenchError as error:
                raise BenchError(f"{label}: {error}\n{running.child.tail()}") from error
            samples.append(watch.finish(time.process_time() - before_s + made.cpu_s()))
