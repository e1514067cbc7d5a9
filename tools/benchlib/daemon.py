"""Our side: the daemon on a private Unix socket."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bootstrap.paths import CHECKOUT, cache_dir
from bootstrap.twin import simulated_board

from benchlib import BenchError
from benchlib.http import Address, fetch, get_json
from benchlib.process import Child, rss_mb, said, until
from benchlib.server import Loop, Running, Settings
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store

MODEL = "smollm2-135m-instruct"


def compile_bytecode(package: Path = CHECKOUT / "edge_rt") -> None:
    """Write the bytecode of `package` where it is not there yet.

    Every installation has it. A checkout has none where PYTHONDONTWRITEBYTECODE is set, and then
    each start compiles 420 modules first.
    """
    compileall.compile_dir(package, quiet=2)


def config(settings: Settings, ledger: Path, extra: Mapping[str, object] | None = None) -> str:
    """The daemon's config.yaml; JSON is YAML. `threads` None leaves the choice to the daemon.

    `ledger` is the file of its ledger, so that this machine's own daemon's is left alone. It keeps
    no answers, so that each is made. `extra` are further sections, in place of these.
    """
    engine = {
        "threads": settings.threads,
        "context": settings.context // settings.parallel,
        "sequences": settings.parallel,
    }
    chosen = {key: value for key, value in engine.items() if value}
    own = {"engine": chosen, "ledger": {"path": str(ledger)}, "cache": {"enabled": False}}
    return json.dumps({**own, **(extra or {})})


def options(config_file: Path, socket: Path, store: Path) -> list[str]:
    """Return the options of the daemon."""
    named = {"config": config_file, "socket": socket, "store": store, "log-level": "warning"}
    return [word for key, value in named.items() for word in (f"--{key}", str(value))]


def model_file(store: Path, model: str = MODEL) -> Path:
    """The main file of a model in `store`, fetched there when it is not; raises BenchError.

    One that the catalogue does not know has to be there.
    """
    models = Store(store, load_catalogue())
    if models.catalogue.find(model) is not None or models.find(model) is None:
        edge_rt = Path(sys.executable).with_name("edge-rt")
        status = subprocess.call([edge_rt, "models", "pull", model, "--store", str(store)])
        if status != 0:
            raise BenchError(f"{model} cannot be had: edge-rt models pull ended with {status}")
    return models.check(model).resolve()


@dataclass(frozen=True)
class Ours:
    """Our side. `directory` holds its socket, configuration, log and what it learns; `extra` are
    sections of its configuration.
    """

    python: Path  # of the .venv
    store: Path
    directory: Path
    name: str = "ours"
    extra: Mapping[str, object] = field(default_factory=dict[str, object])

    def features(self) -> str:
        """Its version and the instruction sets that its llama.cpp was built for."""
        code = (
            "import llama_cpp as x;"
            "print('llama-cpp-python', x.__version__, x.llama_print_system_info().decode())"
        )
        return said(self.python, code)

    def memory_mb(self, running: Running) -> dict[str, float]:
        """Return the memory of the front and of the engine, private and mapped, in MB."""
        front = running.child.process
        engine = max(front.children(), key=lambda child: child.memory_info().rss)
        parts = {"front": rss_mb(front.pid), "engine": rss_mb(engine.pid)}
        return {f"{who}_{kind}_mb": mb for who, rss in parts.items() for kind, mb in rss.items()}

    async def loop(self, running: Running) -> Loop | None:
        """The engine's counters at this moment."""
        status = cast("Any", await get_json(running.address, "/edge/v1/status"))
        engine = status["engine"]
        return Loop(engine["steps"], engine["step_s"], engine["native_s"])

    @asynccontextmanager
    async def run(self, settings: Settings) -> AsyncGenerator[Running]:
        """Start the daemon and yield it once it answers; no model is loaded yet."""
        socket, config_file = self.directory / "s", self.directory / "config.yaml"
        config_file.write_text(config(settings, self.directory / "ledger.db", self.extra))
        address = Address(path=str(socket))

        async def answers() -> bool:
            return (await fetch(address, "GET", "/v1/models")).status == 200

        edge_rt = str(self.python.with_name("edge-rt"))
        argv = [edge_rt, "serve", *options(config_file, socket, self.store)]
        own = str(self.directory)  # what it learns is not the machine's, nor is what it is told
        environ = {"STATE_DIRECTORY": own, "CONFIGURATION_DIRECTORY": own}
        with Child(argv, self.directory / "ours.log", environ=environ) as child:
            ready_s = await until(answers, child)
            yield Running(child, address, ready_s)


@asynccontextmanager
async def simulated(
    directory: Path, board: str, clients: int = 1, extra: Mapping[str, object] | None = None
) -> AsyncGenerator[Running]:
    """Run a daemon on a simulated board, with room for so many `clients` at once.

    `extra` are sections of its configuration.
    """
    python, store = Path(sys.executable), cache_dir() / "store"
    settings = Settings(model_file(store), MODEL, clients * 2048, clients, None)
    with simulated_board(str(python.with_name("edge-rt")), board) as root:
        sections = {**(extra or {}), "sensors": {"root": str(root)}}
        async with Ours(python, store, directory, extra=sections).run(settings) as running:
            yield running
