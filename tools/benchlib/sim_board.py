"""Simulated boards for the benchmark: around real processes, or fed with what those once used."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import msgspec
from bootstrap.paths import CHECKOUT

from benchlib import looks
from benchlib.boards import load_boards
from benchlib.looks import Look
from benchlib.process import Child, until
from benchlib.twin_record import PERIOD_S, later
from edge_rt.twin.plant import Plant
from edge_rt.twin.run import Event, Script
from edge_rt.twin.shape import Shape, draw


@dataclass(frozen=True)
class SimBoard:
    """One board and its world: `past_s` seconds with `past_cores` busy come before the start, from
    which the events count. Busy cores are this machine's; each stands for `each` of the board.
    """

    name: str
    seed: int
    ambient_c: float = 25.0
    events: tuple[str, ...] = ()
    past_s: float = 0.0
    past_cores: float = 0.0
    each: float = 1.0

    @classmethod
    def whole(cls, name: str, seed: int, cores: int) -> SimBoard:
        """A board whose cores are all busy when the `cores` of this machine are."""
        return cls(name, seed, each=Shape.of(load_boards()[name]).cores / cores)

    def profile(self) -> str:
        """A profile in YAML that hides the board's own: with the cores that this machine has."""
        clusters = {
            name: msgspec.structs.replace(cluster, cores=max(1, round(cluster.cores / self.each)))
            for name, cluster in load_boards()[self.name].clusters.items()
        }
        told = {"extends": self.name, "clusters": msgspec.to_builtins(clusters)}
        return json.dumps(told)  # JSON is YAML

    def options(self) -> list[str]:
        """For `twin_record`."""
        named = {
            "board": self.name,
            "seed": self.seed,
            "ambient": self.ambient_c,
            "past-s": self.past_s,
            "past-cores": self.past_cores,
            "each": self.each,
        }
        words = [word for key, value in named.items() for word in (f"--{key}", str(value))]
        return [*words, *(word for event in self.events for word in ("--event", event))]


@dataclass(frozen=True)
class Recorded:
    """A board that is simulated right now: the root of its files and its record."""

    root: Path
    record: Path

    def between(self, begin_s: float, end_s: float) -> list[Look]:
        """What it truly did between two times of the monotonic clock."""
        return looks.between(looks.read(self.record), begin_s, end_s)


@asynccontextmanager
async def recorded(board: SimBoard, python: Path, directory: Path) -> AsyncGenerator[Recorded]:
    """Simulate `board` around the children of this process; `directory` is for its files."""
    found = Recorded(directory / "tree", directory / "record")
    where = ["--dir", str(found.root), "--record", str(found.record), "--watch", str(os.getpid())]
    argv = [str(python), "-m", "benchlib.twin_record", *board.options(), *where]

    async def shown() -> bool:
        return found.record.exists() and bool(looks.read(found.record))

    environ = {"PYTHONPATH": str(CHECKOUT / "tools")}
    with Child(argv, directory / "twin.log", environ=environ) as child:
        await until(shown, child)
        yield found


def replay(board: SimBoard, busy_cores: Sequence[float], seconds: float) -> list[Look]:
    """What `board` would have done under `busy_cores`, one for each PERIOD_S, over and over.

    Faster than real time; times count from the start.
    """
    shape = Shape.of(load_boards()[board.name])
    plant = Plant(shape, draw(shape, board.seed), board.ambient_c)
    events = [later(Event.parse(text), board.past_s) for text in board.events]
    script = Script(events, board.ambient_c, board.seed)
    if board.past_s:
        plant.step(board.past_s, board.each * board.past_cores, script.conditions(0.0))
    found: list[Look] = []
    for step, busy in zip(range(round(seconds / PERIOD_S)), cycle(busy_cores), strict=False):
        state = plant.step(PERIOD_S, board.each * busy, script.conditions(plant.time_s))
        now_s = (step + 1) * PERIOD_S
        seen = state.busy_cores / board.each, state.total_w, state.chip_c, state.throttle_state
        found.append(Look(now_s, PERIOD_S, *seen))
    return found


def even(seen: Sequence[Look]) -> list[float]:
    """The busy cores of `seen` at an even pace of PERIOD_S, their core seconds kept."""
    found: list[float] = []
    used_s = filled_s = 0.0
    for part in seen:
        left_s = part.dt_s
        while left_s > 0.0:
            take_s = min(left_s, PERIOD_S - filled_s)
            used_s += take_s * part.busy_cores
            filled_s += take_s
            left_s -= take_s
            if filled_s >= PERIOD_S - 1e-9:
                found.append(used_s / PERIOD_S)
                used_s = filled_s = 0.0
    return found
