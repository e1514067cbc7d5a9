"""The daemon: its sockets, its HTTP server, and its end on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from edge_rt import __version__
from edge_rt.api.app import create_app
from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.daemon.peer import PeerProtocol
from edge_rt.daemon.rooms import Rooms
from edge_rt.daemon.sockets import tcp_socket, unix_socket
from edge_rt.daemon.supervisor import GRACE_S
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store import Store

log = logging.getLogger(__name__)

DRAIN_S = 10  # for open answers when the daemon is told to stop; the rest fails with the engine
LAST_S = GRACE_S + 2  # for the engine to end, by force if it must, and for telling their clients


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
    """The HTTP server before all rooms of the front."""

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
        rooms = Rooms(self._config, self._paths, self._store, self._clock)
        async with rooms.open() as service:
            app = create_app(
                service,
                requests=self._config.requests,
                version=__version__,
                api_key_sha256=self._config.tcp.api_key_sha256,
                cache=rooms.cache,
                per_client=self._config.cache.per_client,
                semantic=rooms.semantic,
                embedding=self._config.cache.semantic.model or "default",
            )
            server = _Server(
                uvicorn.Config(
                    app,
                    http=PeerProtocol,
                    log_config=None,
                    access_log=False,
                    lifespan="off",
                    ws="none",
                    server_header=False,
                    timeout_graceful_shutdown=int(DRAIN_S + LAST_S),
                )
            )
            _on_signals(server, rooms)
            log.info("serving on %s", ", ".join(str(s.getsockname()) for s in sockets))
            await server.serve(sockets=sockets)


def _on_signals(server: uvicorn.Server, rooms: Rooms) -> None:
    """Make SIGTERM and SIGINT stop `server`, and the engine when answers take too long to end."""
    loop = asyncio.get_running_loop()
    late: set[asyncio.Task[None]] = set()

    def end(number: int) -> None:
        server.handle_exit(number, None)
        rooms.governing.admission.close()  # who waits is told, and can go elsewhere
        loop.call_later(DRAIN_S, lambda: late.add(loop.create_task(rooms.supervisor.stop())))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
