"""The peer: llama.cpp's own server code, from PyPI, in an environment of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bootstrap import SetupError
from bootstrap.logged import run_logged
from bootstrap.progress import Progress

from benchlib import BenchError
from benchlib.http import Address, fetch, get_json
from benchlib.process import Child, rss_mb, said, until
from benchlib.server import Loop, Running, Settings

_HERE = Path(__file__).resolve().parent
REQUIREMENTS = _HERE / "peer_requirements.txt"


def environment(cache: Path) -> Path:
    """The Python of the peer's environment under `cache`; made on first use.

    Raises BenchError when it cannot be made.
    """
    name = REQUIREMENTS.read_text().split()[0].replace("==", "-")
    home = cache / f"bench/{name}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python = home / "bin/python"
    if not _works(python):
        _make(home, python, cache / "logs/bench-peer.log")
    return python


def command(python: Path, settings: Settings, port: int) -> list[str]:
    """Return the command that starts the peer, by default with a thread for each core."""
    values = {
        "model": settings.gguf,
        "port": port,
        "threads": settings.threads or len(os.sched_getaffinity(0)),
        "context": settings.context,
        "parallel": settings.parallel,
    }
    options = [word for key, value in values.items() for word in (f"--{key}", str(value))]
    return [str(python), str(_HERE / "peer_server.py"), *options]


@dataclass(frozen=True)
class Peer:
    """The peer's side. `directory` holds its log."""

    python: Path
    directory: Path
    name: str = "peer"

    def features(self) -> str:
        """Its version and the instruction sets that its llama.cpp was built for."""
        code = "import xllamacpp as x; print('xllamacpp', x.__version__, x.get_system_info())"
        return said(self.python, code)

    def memory_mb(self, running: Running) -> dict[str, float]:
        """Return the memory of its one process in MB."""
        return {"peer_rss_mb": rss_mb(running.child.process.pid)["rss"]}

    async def loop(self, running: Running) -> Loop | None:
        """None: it keeps no such counters."""
        return None

    @asynccontextmanager
    async def run(self, settings: Settings) -> AsyncGenerator[Running]:
        """Start it on the loopback and yield it once the model is loaded."""
        port = _free_port()
        argv = command(self.python, settings, port)
        address = Address(port=port)

        async def healthy() -> bool:
            return (await fetch(address, "GET", "/health")).status == 200

        with Child(argv, self.directory / "peer.log") as child:
            ready_s = await until(healthy, child)
            log = child.log.read_text(errors="replace")
            props, slots = await get_json(address, "/props"), await get_json(address, "/slots")
            verify(settings, cast("Any", props), cast("Any", slots), log)
            yield Running(child, address, ready_s)


def verify(settings: Settings, props: Any, slots: Any, log: str) -> None:
    """Raise BenchError when the peer runs with other settings than it was given."""
    contexts = {slot["n_ctx"] for slot in slots}  # every sequence may use all of it
    threads = {int(count) for count in re.findall(r"threadpool init, n_threads = (\d+)", log)}
    found = {
        "sequences": (props["total_slots"], settings.parallel),
        "context": (contexts, {settings.context}),
        "model": (Path(props["model_path"]), settings.gguf),
    }
    if settings.threads is not None and threads:
        found["threads"] = (threads, {settings.threads})
    for key, (got, wanted) in found.items():
        if got != wanted:
            raise BenchError(f"the peer's {key} is {got}, not {wanted}")


def _works(python: Path) -> bool:
    try:
        return (
            subprocess.run([python, "-c", "import xllamacpp"], capture_output=True).returncode == 0
        )
    except OSError:
        return False


def _make(home: Path, python: Path, log: Path) -> None:
    pip = ["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    try:
        with Progress("Fetching the peer"):
            run_logged([sys.executable, "-m", "venv", "--clear", str(home)], log)
            run_logged([str(python), *pip, "-r", str(REQUIREMENTS)], log)
    except SetupError as error:
        raise BenchError(f"the peer cannot be installed: {error}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
