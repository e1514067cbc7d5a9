"""The server that is asked: one that runs already, or a daemon of our own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchlib.boards import load_boards
from benchlib.daemon import Ours, model_file
from benchlib.govern import cores
from benchlib.http import Address
from benchlib.server import Settings
from benchlib.sim_board import Recorded, SimBoard, recorded

from edge_rt.cli.private_daemon import board as snapshot
from edge_rt.cli.private_daemon import wait_for_rest
from evallib import EvalError, gates
from evallib.asker import Asks
from evallib.meter import MachineMeter, Meter, NoMeter, Record

_BOARD_SEED = 0  # stays cool enough in a room that nothing holds the engine back
_REST_S = 30.0  # that a daemon may need to know what its board draws at rest


@dataclass(frozen=True)
class Host:
    """A server that answers."""

    address: Address
    meter: Meter = field(default_factory=NoMeter)
    asker: Asks | None = None  # what answers in place of a server at `address`


def address_of(socket: Path | None, url: str | None) -> Address | None:
    """Return where a server runs already; None where neither is given. Raise EvalError."""
    if socket is not None:
        return Address(path=str(socket))
    if url is None:
        return None
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path not in ("", "/"):
        raise EvalError(f"{url}: expected http://HOST:PORT, such as http://127.0.0.1:8080")
    return Address(host=parts.hostname, port=port)


def simulated(name: str) -> SimBoard:
    """A board whose cores are all busy when this machine's are, always the same one of its kind.

    Raises EvalError.
    """
    known = load_boards()
    if name not in known:
        raise EvalError(f"no board {name!r}; known are {', '.join(sorted(known))}")
    return SimBoard.whole(name, _BOARD_SEED, cores())


def host(address: Address | None, *own: Any) -> AbstractAsyncContextManager[Host]:
    """What answers at `address`, else an Own daemon with these arguments."""
    return nullcontext(Host(address)) if address else Own(*own).run()


@dataclass(frozen=True)
class Own:
    """A daemon of our own with some models and our gates. `board` is simulated around it, if any.

    `context` is in tokens; `threads` None leaves the choice to the daemon.
    """

    store: Path
    models: Sequence[str]
    context: int
    threads: int | None = None
    board: SimBoard | None = None
    sequences: int = 1  # at once, each of `context`

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[Host]:
        """Fetch what is missing of the models, start, and yield it while it runs.

        Raises BenchError where that cannot be done.
        """
        python, width = Path(sys.executable), self.sequences
        files = [model_file(self.store, model) for model in self.models]
        settings = Settings(files[0], self.models[0], self.context * width, width, self.threads)
        async with AsyncExitStack() as stack:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-rt-eval-"))
            directory = Path(home)
            extra: dict[str, object] = {
                "models": {"idle_unload_s": 0},
                "requests": {"max_n": max(width, 8)},
            }
            record = None
            if self.board is not None:
                world = await stack.enter_async_context(self._simulated(self.board, directory))
                extra["sensors"] = {"root": str(world.root)}
                record = Record(world.record)
            environ = {"PYTHONPATH": gates.install(directory)}
            side = Ours(python, self.store, directory, extra=extra, environ=environ)
            running = await stack.enter_async_context(side.run(settings))
            wait_for_rest(lambda: snapshot(directory / "s"), _REST_S)
            yield Host(running.address, MachineMeter(running.child, record))

    @asynccontextmanager
    async def _simulated(self, board: SimBoard, directory: Path) -> AsyncGenerator[Recorded]:
        (directory / "boards.d").mkdir()
        (directory / "boards.d" / f"{board.name}.yaml").write_text(board.profile())
        async with recorded(board, Path(sys.executable), directory) as world:
            yield world
