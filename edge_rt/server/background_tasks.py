"""Background tasks, each of which runs as long as the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from edge_rt.board.monitor import BoardMonitor, Metered
from edge_rt.core.clock import Pause, in_thread
from edge_rt.core.errors import EdgeError, StoreError
from edge_rt.energy.ledger import FLUSH_S, Book
from edge_rt.energy.meter import EnergyMeter
from edge_rt.energy.prediction.memory import KEEP_S as KEEP_LEARNT_S
from edge_rt.engine.client import EngineLost
from edge_rt.engine.model_pool import ModelPool
from edge_rt.governor.budget import EnergySpent
from edge_rt.routing.placer import LOOK_S, Placer
from edge_rt.server.foresight import Foresight
from edge_rt.server.service import DaemonService

log = logging.getLogger(__name__)

SWEEP_S = 5.0  # between looks for idle models
RECALL_S = 60.0  # between looks whether the clock was set, or the ledger can be read by now
AGAIN_S = (5.0, 15.0, 40.0, 240.0)  # until the next look for sensors; the last again and again


async def told(task: Coroutine[Any, Any, None]) -> None:
    """Run `task`; if it fails, say so now and not when the daemon stops."""
    try:
        await task
    except Exception:
        log.exception("a background task failed and is gone until the daemon is started again")


async def feel(
    monitor: BoardMonitor, hear: Callable[[Metered], object], pause: Pause = asyncio.sleep
) -> None:
    """Read the board, and look again for what cannot be read yet, or any more.

    `hear` gets the supply's meter after each read.
    """
    loop = asyncio.get_running_loop()
    await in_thread(lambda: monitor.open(lambda meter: loop.call_soon_threadsafe(hear, meter)))
    waits = list(AGAIN_S)
    while True:
        await pause(waits[0])
        if monitor.complete:
            waits = list(AGAIN_S)  # what is lost from now on is soon looked for
        else:
            await in_thread(monitor.reopen)
            waits = waits[1:] or waits


async def write(book: Book, metering: EnergyMeter, pause: Pause = asyncio.sleep) -> None:
    """Bring the ledger to the disk: requests together with the supply's joules of their time."""
    while True:
        await pause(FLUSH_S)
        metering.post()
        await asyncio.to_thread(book.flush)


async def recall(spent: EnergySpent, pause: Pause = asyncio.sleep) -> None:
    """Read from the ledger the joules that were spent before the daemon's start."""
    while True:
        await spent.recall()
        await pause(RECALL_S)


async def keep(foresight: Foresight, pause: Pause = asyncio.sleep) -> None:
    """Write learnt figures to the disk regularly, so that they outlive a killed daemon."""
    while True:
        await pause(KEEP_LEARNT_S)
        await foresight.keep()


async def place(placer: Placer, service: DaemonService, pause: Pause = asyncio.sleep) -> None:
    """Keep in memory the models that cost least for the present requests."""
    while True:
        await pause(LOOK_S)
        with contextlib.suppress(StoreError):  # requests say what is wrong with it
            await placer.look(service, service.preload)


async def sweep(residency: ModelPool, idle_s: float, pause: Pause = asyncio.sleep) -> None:
    """Unload models that nobody uses."""
    while True:
        await pause(min(SWEEP_S, idle_s))
        with contextlib.suppress(EngineLost):  # then nothing is loaded any more
            await residency.sweep(idle_s)


async def preload(service: DaemonService, models: list[str], done: asyncio.Event) -> None:
    """Load the models of `models.preload`, then set `done`, whether or not all could be loaded."""
    try:
        for model in models:
            try:
                await service.preload(model)
            except EdgeError as error:
                log.error("cannot preload %s: %s", model, error)
    finally:
        done.set()
