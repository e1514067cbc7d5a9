"""What a daemon sees of a simulated board under a bursty load."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

from benchlib.heat_board import AIR_C, STEP_S, SensedBoard
from edge_rt.twin.plant import Conditions

LOOK_S = 0.2
_PARTS = round(LOOK_S / STEP_S)

Weather = Callable[[float], Conditions]


@dataclass(frozen=True)
class Look:
    """What is seen, None where nothing is, and below it what is so."""

    time_s: float
    temp_c: float | None
    power_w: float | None
    fan: float | None
    true_c: float  # of the chip
    came_w: float  # what the supply's sensor said, whether it was read or not
    busy: float  # cores that are to work


def bursts(cores: int, seed: int) -> Callable[[float], int]:
    """Busy cores by time: as many as chance wants for 2 to 60 s, every second time none."""
    dice, plan = random.Random(seed), [(0.0, 0)]

    def busy(time_s: float) -> int:
        while time_s >= plan[-1][0]:
            count = 0 if plan[-1][1] and dice.random() < 0.5 else dice.randint(0, cores)
            plan.append((plan[-1][0] + dice.uniform(2.0, 60.0), count))
        return plan[-1][1]

    return busy


def calm(_time_s: float) -> Conditions:
    """Nothing happens to the board."""
    return Conditions(AIR_C)


def looks(
    name: str,
    seed: int,
    seconds: float,
    weather: Weather = calm,
    busy: Callable[[float], float] | None = None,
) -> Iterator[Look]:
    """Five looks a second; a load of `busy` cores by time, in place of bursts."""
    board = SensedBoard(name, seed, weather(0.0).ambient_c)
    cores = busy or bursts(board.shape.cores, seed)
    for number in range(round(seconds / LOOK_S)):
        wanted, powers = cores(number * LOOK_S), list[float]()
        for _ in range(_PARTS):
            board.step(wanted, weather(board.state.time_s))
            powers.append(board.power_w)
        state, power_w = board.state, fmean(powers)
        yield Look(
            state.time_s,
            board.temp_c,
            power_w,
            state.fan_duty,
            true_c=state.chip_c,
            came_w=power_w,
            busy=wanted,
        )
