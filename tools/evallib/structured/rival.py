"""llama.cpp's own server, which is asked what our daemon is asked."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchlib import peer
from benchlib.server import Settings
from bootstrap.paths import cache_dir

from evallib.asker import Asker


@dataclass(frozen=True)
class Rival:
    """The server; `name` has its version."""

    python: Path
    name: str
    settings: Settings

    @classmethod
    def of(cls, file: Path, model: str, context: int, threads: int | None) -> Rival:
        """Fetch it on first use; raises BenchError. `context` is in tokens."""
        python = peer.environment(cache_dir())
        version = peer.Peer(python, file.parent).features().split()[:2]
        settings = Settings(file, model, context, 1, threads)
        return cls(python, f"llama-server of {' '.join(version)}", settings)

    async def start(self, stack: AsyncExitStack) -> Asker:
        """Run it until `stack` is closed."""
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="edge-rt-eval-")))
        running = await stack.enter_async_context(peer.Peer(self.python, folder).run(self.settings))
        return Asker(running.address)
