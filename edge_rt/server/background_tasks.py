"""Background tasks, each of which runs as long as the daemon, the reload among them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec

from edge_rt.api.service import Service
from edge_rt.board.monitor import BoardMonitor, Metered
from edge_rt.config.schema import Config
from edge_rt.config.section import Section
from edge_rt.core.clock import Pause, in_thread
from edge_rt.core.errors import EdgeError
from edge_rt.energy.ledger import FLUSH_S, Book
from edge_rt.energy.meter import EnergyMeter
from edge_rt.engine.client import EngineLost
from edge_rt.engine.model_pool import ModelPool
from edge_rt.governor.budget import EnergySpent
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.loop import GovernorLoop

log = logging.getLogger(__name__)

PATIENCE_S = 20.0  # systemd waits longer for a reload
RESTART = "systemctl restart edge-rt"
NOBODYS = "-" * 64  # the hash of no key: while it is all there is, no key opens TCP

_KEYS = frozenset({"tcp.api_key_sha256", "tcp.admin_key_sha256"})
_LIVE = frozenset({"log.level", "knobs.cpufreq", "knobs.gpufreq"})
SWEEP_S = 5.0  # between looks for idle models
RECALL_S = 60.0  # between looks whether the clock was set, or the ledger can be read by now
AGAIN_S = (5.0, 15.0, 40.0, 240.0)  # until the next look for sensors; the last again and again


class Reload:
    """Puts in force what can be while the daemon runs, and tells what takes a restart.

    At once count the budget, the log's level, which clocks are governed, and the keys of TCP.
    Whether any keys are needed decides where TCP may be listened on, so that takes a restart: with
    the last key gone TCP is closed until then, or until another one comes.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        governor_loop: GovernorLoop,
        knobs: BoardKnobs,
        api_keys: list[str],
        admin_keys: list[str],
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`read` gives what the configuration says now, or raises.

        `config` is in force, and the keys, which are changed in place, with it. After `patience_s`
        it stays in force.
        """
        self._patience_s = patience_s
        self._config, self._read = config, read
        self._governor_loop, self._knobs = governor_loop, knobs
        self._api_keys, self._admin_keys = api_keys, admin_keys
        self._asked = asyncio.Event()

    def ask(self) -> None:
        self._asked.set()

    async def run(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Reload at each request, forever, each time between `before` and `after`."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            before()
            try:
                await self.look()
            finally:
                after()

    async def look(self) -> None:
        """Reload once; a faulty configuration changes nothing."""
        try:
            config = await asyncio.wait_for(in_thread(self._read), self._patience_s)
        except EdgeError as error:
            log.error("the configuration stays as it was: %s", error)
            return
        except asyncio.TimeoutError:
            log.error(
                "the configuration stays as it was: reading it, and what it names, takes more than "
                "%g s; is its disk or network there?",
                self._patience_s,
            )
            return
        changed = set(differences(self._config, config))
        kept = _KEYS if self._api_keys else frozenset[str]()
        live = {key for key in changed if key in _LIVE | kept or key.startswith("budget.")}
        self._adopt(live, config)
        log.info("the configuration was read anew; in force now: %s", _listed(live))
        if late := changed - live:
            log.warning("after a restart only (%s): %s", RESTART, _listed(late))

    def _adopt(self, live: set[str], config: Config) -> None:
        """Put the keys `live` in force.

        A budget that clients have set lasts while the file's is the same.
        """
        replace, now = msgspec.structs.replace, self._config
        if "log.level" in live:
            logging.getLogger().setLevel(config.log.level.upper())
            now = replace(now, log=config.log)
        if live & _KEYS:
            api, admin = config.tcp.api_key_sha256, config.tcp.admin_key_sha256
            self._api_keys[:], self._admin_keys[:] = api or [NOBODYS], admin
            if not api:
                log.warning("no key opens TCP any more; to serve it without one: %s", RESTART)
            now = replace(now, tcp=replace(now.tcp, api_key_sha256=api, admin_key_sha256=admin))
        if config.budget != now.budget:
            self._governor_loop.allow(config.budget)
            now = replace(now, budget=config.budget)
        asked = config.knobs
        knobs = replace(now.knobs, cpufreq=asked.cpufreq, gpufreq=asked.gpufreq)
        if knobs != now.knobs:
            self._knobs.change(knobs)
            now = replace(now, knobs=knobs)
        self._config = now


def differences(old: Section, new: Section, above: str = "") -> Iterator[str]:
    """Yield the keys in which two sections of one kind differ, such as "engine.threads"."""
    for name in old.__struct_fields__:
        was, now = getattr(old, name), getattr(new, name)
        if isinstance(was, Section) and isinstance(now, Section):
            yield from differences(was, now, f"{above}{name}.")
        elif was != now:
            yield f"{above}{name}"


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing else than before"


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


async def write(book: Book, energy_meter: EnergyMeter, pause: Pause = asyncio.sleep) -> None:
    """Bring the ledger to the disk: requests together with the supply's joules of their time."""
    while True:
        await pause(FLUSH_S)
        energy_meter.post()
        await asyncio.to_thread(book.flush)


async def recall(spent: EnergySpent, pause: Pause = asyncio.sleep) -> None:
    """Read from the ledger the joules that were spent before the daemon's start."""
    while True:
        await spent.recall()
        await pause(RECALL_S)


async def sweep(pool: ModelPool, idle_s: float, pause: Pause = asyncio.sleep) -> None:
    """Unload models that nobody uses."""
    while True:
        await pause(min(SWEEP_S, idle_s))
        with contextlib.suppress(EngineLost):  # then nothing is loaded any more
            await pool.sweep(idle_s)


async def preload(service: Service, models: list[str], done: asyncio.Event) -> None:
    """Load the models of `models.preload`, then set `done`, whether or not all could be loaded."""
    try:
        for model in models:
            try:
                await service.preload(model)
            except EdgeError as error:
                log.error("cannot preload %s: %s", model, error)
    finally:
        done.set()
