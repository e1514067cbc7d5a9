"""The joules of answers on a simulated board that is warm already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchlib.pair_answers import Spent
from edge_rt.config.boards import load_boards
from edge_rt.twin.plant import Conditions, Plant
from edge_rt.twin.shape import Shape, draw

AIR_C = 25.0
_STEP_S = 0.1


@dataclass(frozen=True)
class Drawn:
    """Joules that each part of an answer added to what the board would have drawn idle, the mean
    of that, and the mean of all.
    """

    added_j: tuple[float, ...]
    idle_w: float
    power_w: float

    @property
    def energy_j(self) -> float:
        """What the answer added."""
        return math.fsum(self.added_j)


class WarmBoard:
    """Board number `seed` of the profile `name`; its seconds are those that were measured here.

    All of it has one temperature when an answer begins, in air of AIR_C. Busy cores are those
    that were measured, so only the watts are simulated, with the chip's leakage at its
    temperature; a board that throttles would also take longer, so begin well below that.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._shape = Shape.of(load_boards()[name])
        self._known = draw(self._shape, seed)

    def draw(self, parts: Sequence[Spent], temp_c: float) -> Drawn:
        """What an answer of these parts draws where the board has `temp_c` when it begins."""
        busy, idle = self._plant(temp_c), self._plant(temp_c)
        whole = [_joules(busy, part.seconds, part.busy_cores) for part in parts]
        rest = [_joules(idle, part.seconds, 0.0) for part in parts]
        seconds = math.fsum(part.seconds for part in parts)
        return Drawn(
            tuple(a - b for a, b in zip(whole, rest, strict=True)),
            math.fsum(rest) / seconds,
            math.fsum(whole) / seconds,
        )

    def _plant(self, temp_c: float) -> Plant:
        return Plant(self._shape, self._known, temp_c)


def _joules(plant: Plant, seconds: float, busy_cores: float) -> float:
    if seconds <= 0.0:
        return 0.0
    steps = math.ceil(seconds / _STEP_S)
    dt_s = seconds / steps
    air = Conditions(AIR_C)
    return math.fsum(plant.step(dt_s, busy_cores, air).total_w * dt_s for _ in range(steps))
