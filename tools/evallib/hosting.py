"""The server that is asked: one that runs already, or a daemon of our own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchlib.daemon import Ours, model_file
from benchlib.http import Address
from benchlib.server import Settings

from edge_rt.cli.private_daemon import board as snapshot
from edge_rt.cli.private_daemon import wait_for_rest
from evallib import EvalError
from evallib.asker import Asks

_REST_S = 30.0  # that a daemon may need to know what its board draws at rest


@dataclass(frozen=True)
class Host:
    """A server that answers."""

    address: Address
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


def host(address: Address | None, *own: Any) -> AbstractAsyncContextManager[Host]:
    """What answers at `address`, else an Own daemon with these arguments."""
    return nullcontext(Host(address)) if address else Own(*own).run()


@dataclass(frozen=True)
class Own:
    """A daemon of our own with some models.

    `context` is in tokens; `threads` None leaves the choice to the daemon.
    """

    store: Path
    models: Sequence[str]
    context: int
    threads: int | None = None
    sequences: int = 1  # at once, each of `context`

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[Host]:
        """Fetch what is missing of the models, start, and yield it while it runs.

        Raises BenchError where that cannot be done.
        """
        width = self.sequences
        files = [model_file(self.store, model) for model in self.models]
        settings = Settings(files[0], self.models[0], self.context * width, width, self.threads)
        extra: dict[str, object] = {
            "models": {"idle_unload_s": 0},
            "requests": {"max_n": max(width, 8)},
        }
        with tempfile.TemporaryDirectory(prefix="edge-rt-eval-") as home:
            side = Ours(Path(sys.executable), self.store, Path(home), extra=extra)
            async with side.run(settings) as running:
                wait_for_rest(lambda: snapshot(Path(home, "s")), _REST_S)
                yield Host(running.address)
