"""The daemon: its sockets, its HTTP server, and its end on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
from typing_extensions import override

from edge_rt import __version__
from edge_rt.api.app import create_app
from edge_rt.api.service import Service
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config, Socket
from edge_rt.core.logs import log_to_stderr
from edge_rt.core.system.process import stay_offline
from edge_rt.engine.supervisor import GRACE_S
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.server.acceptor import Acceptor
from edge_rt.server.background_tasks import Reload, told
from edge_rt.server.connection import KEEP_ALIVE_S, Connection, Patience
from edge_rt.server.connection_limiter import (
    ConnectionLimiter,
    access_of,
    raise_file_limit,
    return_large_blocks,
)
from edge_rt.server.container import Container
from edge_rt.server.listening import address, check_reach, tcp_socket, unix_socket, way_in
from edge_rt.server.state_directory import state_directory
from edge_rt.server.systemd import Notifier, handed_over

log = logging.getLogger(__name__)

DRAIN_S = 10  # for open answers when the daemon is told to stop; the rest fails with the engine
PRELOAD_S = 600.0  # after which the daemon counts as ready all the same
_TICK_S = 1.0  # the resolution of the header `date`
LAST_S = GRACE_S + 2  # for the engine to end, by force if it must, and for telling their clients


def serve(config: Config, read: Callable[[], Config], paths: Paths | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Raises ConfigError, ListenError, StateError or StoreError before it serves.

    `read` returns the present configuration when systemd requests a reload.
    """
    paths = paths or Paths.detect()
    faulthandler.enable()  # of a loop that hangs, SIGABRT, which systemd sends, tells where
    log_to_stderr(config.log.level)
    return_large_blocks()
    notifier = Notifier.detect()
    with contextlib.ExitStack() as stack:
        stack.enter_context(state_directory(paths.state))
        given = [stack.enter_context(contextlib.closing(s)) for s in handed_over()]
        sockets = [stack.enter_context(contextlib.closing(s)) for s in listen(config, paths, given)]
        if config.offline:  # from here on: the host of tcp.listen may be a name
            missing = stay_offline(any(sock.family != socket.AF_UNIX for sock in sockets))
            if missing:
                log.warning(
                    "offline: Python opens no connection, but nothing keeps native libraries from "
                    "it: %s",
                    missing,
                )
        asyncio.run(run(config, paths, sockets, notifier, read))


def listen(
    config: Config, paths: Paths, given: Sequence[socket.socket] = ()
) -> list[socket.socket]:
    """Return all listening sockets that `config` asks for, or none.

    Where there are `given` ones of a kind, these are taken.
    """
    has_key = bool(config.tcp.api_key_sha256)
    others = [sock for sock in given if sock.family != socket.AF_UNIX]
    for host in [sock.getsockname()[0] for sock in others]:
        check_reach(host, [host], has_key, "ListenStream= of edge-rt.socket")
    sockets = list(given)
    with contextlib.ExitStack() as undo:
        if len(others) == len(given):
            path = Path(config.socket.path) if config.socket.path else paths.socket
            local = unix_socket(path, int(config.socket.mode, 8), config.socket.group)
            undo.callback(local.close)
            sockets.append(local)
        elif config.socket != Socket():
            log.warning(
                "socket: of the configuration does not count, edge-rt.socket of systemd does"
            )
        for address in [] if others else config.tcp.addresses:
            sock = tcp_socket(address, has_key)
            undo.callback(sock.close)
            sockets.append(sock)
        undo.pop_all()
    return sockets


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which accepts connections by an Acceptor.

    That handling raises the signal again when it has served, which would end the process before
    the engine is shut down.
    """

    def __init__(self, config: uvicorn.Config, limiter: ConnectionLimiter) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._told = asyncio.Event()  # to end
        self._limiter = limiter

    @override
    async def main_loop(self) -> None:
        """Do what uvicorn does each tenth of a second once a second, or as soon as it is to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TICK_S)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._told.set()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections of `sockets` by Acceptors."""
        await super().startup(sockets=[])
        given: dict[str, Any] = {"config": self.config, "server_state": self.server_state}
        make = partial(Connection, self._limiter, Patience(), app_state={}, **given)
        acceptors = [Acceptor(sock, self._limiter, make) for sock in sockets or []]
        self.servers = cast("list[asyncio.base_events.Server]", acceptors)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(
    config: Config,
    paths: Paths,
    sockets: list[socket.socket],
    notifier: Notifier,
    read: Callable[[], Config],
) -> None:
    """Serve on `sockets` until told to stop.

    `notifier` is told the daemon's state; `read` returns the present configuration.
    """
    root = Path(config.models.store) if config.models.store else paths.state / "models"
    store = Store(root, load_catalogue(config.models.catalogue))
    log.info("model store: %s", store.root.absolute())
    async with _beside(notifier.run()):  # from the first to the last moment
        container = Container(config, paths, store, time.monotonic)  # the clock of the engine, too
        async with container.open() as service:
            await _serve(config, sockets, container, service, notifier, read)


async def _serve(
    config: Config,
    sockets: list[socket.socket],
    container: Container,
    service: Service,
    notifier: Notifier,
    read: Callable[[], Config],
) -> None:
    api_keys, admin_keys = list(config.tcp.api_key_sha256), list(config.tcp.admin_key_sha256)
    ending = asyncio.Event()
    app = create_app(
        service,
        config,
        version=__version__,
        api_key_sha256=api_keys,
        admin_key_sha256=admin_keys,
        access=access_of(config.access),
        cache=container.cache,
        semantic=container.semantic,
        ending=ending,
    )
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,  # nothing here depends on where a proxy's client is
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(DRAIN_S + LAST_S),
        ),
        _limiter(config.requests.connections),
    )
    status = f"serving on {', '.join(map(address, sockets))}"
    governor_loop, knobs = container.governor_loop, container.knobs
    reload = Reload(config, read, governor_loop, knobs, api_keys, admin_keys)
    _on_signals(server, container, notifier, reload, ending)
    log.info(status)
    if not notifier.heard:  # somebody at a terminal reads it
        log.info(way_in(sockets, bool(api_keys)))
    async with _beside(
        reload.run(notifier.reloading, lambda: notifier.ready(status)),
        _announce(server, container, lambda: notifier.ready(status)),
    ):
        await server.serve(sockets=sockets)


def _limiter(wanted: int) -> ConnectionLimiter:
    limiter = ConnectionLimiter(wanted, raise_file_limit())
    if limiter.most < wanted:
        log.warning(
            "requests.connections: only %d of %d, as few files may be open: raise LimitNOFILE=",
            limiter.most,
            wanted,
        )
    return limiter


@contextlib.asynccontextmanager
async def _beside(*coroutines: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run the coroutines while the block runs."""
    tasks = [asyncio.create_task(told(each)) for each in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _announce(server: _Server, container: Container, ready: Callable[[], None]) -> None:
    """Say `ready` once clients are served and models are loaded, or that takes too long."""
    await server.listening.wait()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(container.preloaded.wait(), PRELOAD_S)
    ready()


def _on_signals(
    server: uvicorn.Server,
    container: Container,
    notifier: Notifier,
    reload: Reload,
    ending: asyncio.Event,
) -> None:
    """Make SIGTERM and SIGINT stop `server`, and the engine when answers take too long to end.

    `ending` is set at once.

    SIGHUP reloads the configuration, but only under systemd: a terminal that closes sends it, too,
    and is to end the daemon.
    """
    loop = asyncio.get_running_loop()
    late: set[asyncio.Task[None]] = set()

    def end(number: int) -> None:
        notifier.stopping()
        server.handle_exit(number, None)
        ending.set()
        container.governor_loop.admission.close()  # who waits is told, and can go elsewhere
        loop.call_later(DRAIN_S, lambda: late.add(loop.create_task(container.supervisor.stop())))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    if notifier.heard:
        loop.add_signal_handler(signal.SIGHUP, reload.ask)
