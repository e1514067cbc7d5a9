"""Simulated boards for the benchmarks, around real processes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from bootstrap.paths import CHECKOUT, cache_dir

from benchlib.boards import load_boards
from benchlib.daemon import MODEL, Ours, model_file
from benchlib.process import Child, until
from benchlib.server import Running, Settings
from benchlib.twin_record import read_from
from edge_rt.twin.shape import Shape


@dataclass(frozen=True)
class SimBoard:
    """One board. Busy cores are this machine's; each stands for `each` of the board."""

    name: str
    seed: int
    each: float = 1.0

    @classmethod
    def whole(cls, name: str, seed: int, cores: int) -> SimBoard:
        """Make a board whose cores are all busy when the `cores` of this machine are."""
        return cls(name, seed, each=Shape.of(load_boards()[name]).cores / cores)

    def profile(self) -> str:
        """Return a profile in YAML that hides the board's own, with this machine's cores."""
        clusters = {
            name: msgspec.structs.replace(cluster, cores=max(1, round(cluster.cores / self.each)))
            for name, cluster in load_boards()[self.name].clusters.items()
        }
        told = {"extends": self.name, "clusters": msgspec.to_builtins(clusters)}
        return json.dumps(told)  # JSON is YAML


@dataclass(frozen=True)
class Recorded:
    """A board that is simulated right now: the root of its files and its record."""

    root: Path
    record: Path


@asynccontextmanager
async def recorded(board: SimBoard, python: Path, directory: Path) -> AsyncGenerator[Recorded]:
    """Simulate `board` around the children of this process; `directory` is for its files."""
    found = Recorded(directory / "tree", directory / "record")
    argv = [str(python), "-m", "benchlib.twin_record", "--board", board.name]
    argv += ["--seed", str(board.seed), "--each", str(board.each), "--watch", str(os.getpid())]
    argv += ["--dir", str(found.root), "--record", str(found.record)]

    async def shown() -> bool:
        return found.record.exists() and bool(read_from(found.record, 0)[0])

    environ = {"PYTHONPATH": str(CHECKOUT / "tools")}
    with Child(argv, directory / "twin.log", environ=environ) as child:
        await until(shown, child)
        yield found


@asynccontextmanager
async def simulated(
    directory: Path, name: str, clients: int = 1, extra: Mapping[str, object] | None = None
) -> AsyncGenerator[Running]:
    """Run a daemon on a simulated board of that name; the board's files lie beside `directory`.

    It has room for so many `clients` at once; `extra` are sections of its configuration.
    """
    python, store = Path(sys.executable), cache_dir() / "store"
    gguf = model_file(store)
    settings = Settings(gguf, MODEL, clients * 2048, clients, None)
    sim = SimBoard.whole(name, 1, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory(prefix="edge-rt-board-") as place:
        async with recorded(sim, python, Path(place)) as board:
            sections = {**(extra or {}), "sensors": {"root": str(board.root)}}
            async with Ours(python, store, directory, extra=sections).run(settings) as running:
                yield running
