"""The daemon: wiring, and its life from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import uvicorn

from edge_rt import __version__
from edge_rt.api.app import create_app
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.daemon.chores import feel, preload, sweep, told, write
from edge_rt.daemon.contention import Contention
from edge_rt.daemon.health import Health
from edge_rt.daemon.metering import Metering
from edge_rt.daemon.senses import Senses
from edge_rt.daemon.service import DaemonService
from edge_rt.daemon.sockets import tcp_socket, unix_socket
from edge_rt.daemon.state import State
from edge_rt.daemon.supervisor import Supervisor
from edge_rt.energy.book import Book
from edge_rt.engine.client import EngineClient
from edge_rt.engine.residency import Residency
from edge_rt.governor.threads import ThreadChooser
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store import Store
from edge_rt.sensors.cpu import CpuReader

log = logging.getLogger(__name__)

DRAIN_S = 10  # for open answers when the daemon is told to stop; the rest fails with the engine
LAST_S = 2  # for telling their clients


def serve(config: Config, paths: Paths | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises ConfigError or StoreError before it serves."""
    paths = paths or Paths.detect()
    logging.basicConfig(
        level=config.log.level.upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(s)) for s in listen(config, paths)]
        asyncio.run(Daemon(config, paths).run(sockets))


def listen(config: Config, paths: Paths) -> list[socket.socket]:
    """The listening sockets that `config` asks for; all or none."""
    path = Path(config.socket.path) if config.socket.path else paths.socket
    with contextlib.ExitStack() as undo:
        local = unix_socket(path, int(config.socket.mode, 8), config.socket.group)
        undo.callback(local.close)
        sockets: list[socket.socket] = [local]
        if config.tcp.listen:
            sockets.append(tcp_socket(config.tcp.listen, bool(config.tcp.api_key_sha256)))
        undo.pop_all()
    return sockets


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: that raises the signal again when it has served, which
    would end the process before the engine is shut down.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Daemon:
    """All rooms of the front, wired together."""

    def __init__(
        self, config: Config, paths: Paths, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is in seconds, those of the monotonic clock that the engine reads too."""
        self._config = config
        self._paths = paths
        root = Path(config.models.store) if config.models.store else paths.state / "models"
        self._store = Store(root, load_catalogue([Path(p) for p in config.models.catalogue]))
        self._clock = clock

    async def run(self, sockets: list[socket.socket]) -> None:
        """Serve on `sockets` until told to stop."""
        async with self._running() as (service, supervisor):
            app = create_app(
                service,
                requests=self._config.requests,
                version=__version__,
                api_key_sha256=self._config.tcp.api_key_sha256,
            )
            server = _Server(
                uvicorn.Config(
                    app,
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    ws="none",
                    server_header=False,
                    timeout_graceful_shutdown=DRAIN_S + LAST_S,
                )
            )
            _on_signals(server, supervisor)
            log.info("serving on %s", ", ".join(str(s.getsockname()) for s in sockets))
            await server.serve(sockets=sockets)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[tuple[DaemonService, Supervisor]]:
        chooser = ThreadChooser(self._config.engine.threads or usable_cores())
        supervisor = Supervisor(greet=lambda client: greet(client))
        residency = Residency(
            supervisor.client,
            available=lambda: psutil.virtual_memory().available,
            reserve_bytes=self._config.models.reserve_bytes,
            clock=self._clock,
        )
        health = Health(supervisor.client, residency, self._clock)

        def at_work_for_nobody() -> bool:
            return supervisor.current is None or residency.loading or health.proving

        senses, book = self._senses(supervisor), self._book()
        metering = Metering(senses, book, at_work_for_nobody, self._clock)

        def greet(client: EngineClient) -> None:
            metering.listen(client)
            client.set_limits(chooser.threads)

        state = State(supervisor, metering.tokens, self._clock)
        service = DaemonService(
            self._config, self._store, residency, state, health, senses, metering
        )
        supervisor.start()
        chores = self._chores(supervisor, chooser, residency, service)
        chores += [feel(senses, metering), write(book, metering)]
        tasks = [asyncio.create_task(told(chore)) for chore in chores]
        try:
            yield service, supervisor
        finally:
            await metering.finish()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await supervisor.stop()
            await asyncio.to_thread(senses.close)
            metering.post()
            await asyncio.to_thread(book.close)

    def _senses(self, supervisor: Supervisor) -> Senses:
        processes = {"engine": lambda: supervisor.pid}
        root = Path(self._config.sensors.root)
        return Senses(root, self._config.board, self._paths, processes, self._clock)

    def _book(self) -> Book:
        ledger = self._config.ledger
        path = Path(ledger.path) if ledger.path else self._paths.state / "ledger.db"
        return Book(path, days=ledger.days, max_bytes=ledger.max_bytes)

    def _chores(
        self,
        supervisor: Supervisor,
        chooser: ThreadChooser,
        residency: Residency,
        service: DaemonService,
    ) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside the requests."""
        chores: list[Coroutine[Any, Any, None]] = [preload(service, self._config.models.preload)]
        if self._config.models.idle_unload_s:
            chores.append(sweep(residency, self._config.models.idle_unload_s))
        if self._config.engine.threads is None:
            chores.append(Contention(supervisor, chooser, CpuReader()).run())
        return chores


def _on_signals(server: uvicorn.Server, supervisor: Supervisor) -> None:
    """Make SIGTERM and SIGINT stop `server`, and the engine when answers take too long to end."""
    loop = asyncio.get_running_loop()
    late: set[asyncio.Task[None]] = set()

    def end(number: int) -> None:
        server.handle_exit(number, None)
        loop.call_later(DRAIN_S, lambda: late.add(loop.create_task(supervisor.stop())))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)


def usable_cores() -> int:
    """Physical cores that this process may run on; ggml gains nothing from their second threads."""
    allowed = len(os.sched_getaffinity(0))
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))
