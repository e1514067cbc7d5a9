"""Plants with plain figures, and processes whose CPU time is written by the test."""

from __future__ import annotations

import dataclasses

from benchlib.boards import load_boards

from edge_rt.twin.load import WatchedUsage
from edge_rt.twin.plant import Plant
from edge_rt.twin.shape import Parameters, Shape, draw

BOARDS = load_boards()


def shape_of(name: str) -> Shape:
    return Shape.of(BOARDS[name])


def plant_of(name: str, seed: int = 0, ambient_c: float = 25.0, **changes: object) -> Plant:
    """A plant of the profile `name`, some of its parameters replaced."""
    return Plant(shape_of(name), parameters_of(name, seed, **changes), ambient_c)


def parameters_of(name: str, seed: int = 0, **changes: object) -> Parameters:
    return dataclasses.replace(draw(shape_of(name), seed), **changes)  # type: ignore[arg-type]


class FakeLoad:
    """Uses `cores`, and a GPU, of a clock that moves by `step_s` at each look; None ends it."""

    def __init__(self, step_s: float = 0.1) -> None:
        self.now_s = 0.0
        self.step_s = step_s
        self.cores: float | None = 0.0
        self.gpu = 0.0  # share of the time that a GPU is busy

    def clock(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def look(self) -> WatchedUsage | None:
        if self.cores is None:
            return None
        return WatchedUsage(self.cores * self.step_s, 1 << 20, (), self.gpu * self.step_s)
