"""Mixed days on boards of the second plant: stretches of work and idle stretches by turns."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchlib.plant_board import PlantBoard
from benchlib.plant_engine import Pass, PlantEngine
from benchlib.plant_figures import Figures
from benchlib.plant_load import NOBODY, Others, Weather, Work

LOOK_S = 1.0
_PARTS = 4  # steps of a look
_WORK_S, _IDLE_S = (20.0, 600.0), (60.0, 1200.0)  # shortest and longest stretches
_ROOM_C, _ROOM_K_PER_H = (18.0, 28.0), 1.5  # at first, and deviation of its random walk
_CHORE = 0.004  # probability that another program begins or ends in a second
_CHORE_W = 0.05  # its most power, as a share of the idle power
_FELT_NOISE_C = 0.12


@dataclass(frozen=True)
class Look:
    """One second: the zone's temperature, the supply's power, the share of full work, the fan."""

    time_s: float
    temp_c: float
    power_w: float
    work: float
    fan: float  # drive, 0 to 1

    @property
    def idle(self) -> bool:
        """Whether nothing was at work."""
        return self.work == 0.0


@dataclass(frozen=True)
class Growth:
    """The true leakage at rest, at two temperatures."""

    at_45_w: float
    at_70_w: float

    @property
    def watts(self) -> float:
        """The growth between them."""
        return self.at_70_w - self.at_45_w


def growth(figures: Figures) -> Growth:
    """The growth of all dies' leakage, at the voltage of the lowest clock."""
    return Growth(_leakage_w(figures, 45.0), _leakage_w(figures, 70.0))


def _leakage_w(figures: Figures, temp_c: float) -> float:
    board = PlantBoard(figures, temp_c)
    return sum(board.leakage_w(temp_c))


def day(figures: Figures, seed: int, hours: float) -> Iterator[Look]:
    """One look a second of a day of `hours`, while the room warms and cools."""
    dice = random.Random(f"day {figures.kind.profile} {seed}")
    room_c = dice.uniform(*_ROOM_C)
    board, full = PlantBoard(figures, room_c), _full_speed(figures)
    time_s, working, left_s = 0.0, False, dice.uniform(*_IDLE_S)
    others, share = NOBODY, 1.0
    while time_s < hours * 3600.0:
        if left_s <= 0.0:
            working = not working
            left_s = dice.uniform(*(_WORK_S if working else _IDLE_S))
            share = dice.uniform(0.3, 1.0)
        if dice.random() < _CHORE:
            rail_w = _CHORE_W * figures.static_w * dice.random()
            others = Others(rail_w=rail_w) if others == NOBODY else NOBODY
        room_c += dice.gauss(0.0, _ROOM_K_PER_H / 60.0)
        parts = [(share, full)] if working else []
        powers = [_step(board, parts, others, room_c) for _ in range(_PARTS)]
        time_s, left_s = time_s + LOOK_S, left_s - LOOK_S
        read_w = _read_w(board, powers, dice)
        yield Look(time_s, _felt_c(board, dice), read_w, share if working else 0.0, board.drive)


def span(figures: Figures, seed: int, days: int, hours: float) -> Iterator[Look]:
    """Days one after the other, each of `hours`; the board is cold and off in between."""
    for number in range(days):
        begin_s = number * 86_400.0
        for look in day(figures, days * seed + number, hours):
            yield replace(look, time_s=begin_s + look.time_s)


def leaking(figures: Figures, growth_w: float) -> Figures:
    """The board with so much leakage that it grows by `growth_w` from 45 to 70 °C at rest."""
    factor = growth_w / growth(figures).watts
    leaks = [
        leak and replace(leak, top_w=factor * leak.top_w)
        for leak in (figures.leak, figures.gpu_leak)
    ]
    assert leaks[0] is not None
    return replace(figures, leak=leaks[0], gpu_leak=leaks[1])


def rest_w(figures: Figures) -> float:
    """Power at rest at 45 °C."""
    board = PlantBoard(figures, 45.0)
    for _ in range(2):
        board.step(0.5, [], NOBODY, Weather(45.0))
    return board.power_w


def _step(
    board: PlantBoard, parts: list[tuple[float, Pass]], others: Others, room_c: float
) -> float:
    board.step(LOOK_S / _PARTS, parts, others, Weather(room_c))
    return board.power_w


def _felt_c(board: PlantBoard, dice: random.Random) -> float:
    step_c = board.known.kind.zone_step_c
    return round((board.chip_c + dice.gauss(0.0, _FELT_NOISE_C)) / step_c) * step_c


def _read_w(board: PlantBoard, powers_w: list[float], dice: random.Random) -> float:
    """The mean of a second's readings, each rail in its own steps."""
    supply = board.known.kind.supply
    true_w = sum(powers_w) / len(powers_w)
    if len(supply.steps_w) == 1:
        rails_w = (true_w,)
    else:
        scale = true_w / board.power_w
        rails_w = tuple(scale * rail_w for rail_w in board.rails_w)
    count = max(1, round(LOOK_S / supply.period_s))
    total = 0.0
    for rail_w, step_w in zip(rails_w, supply.steps_w, strict=True):
        for _ in range(count):
            total += round(rail_w * dice.gauss(1.0, supply.noise) / step_w) * step_w
    return total / count


def _full_speed(figures: Figures) -> Pass:
    """A pass of an engine that decodes on all cores at full speed."""
    engine = PlantEngine(figures, Work(1, 1.0, 1e6), 0, 0.0, on_gpu=False)
    engine.run(1e-3)
    engine.run(1.0)
    return [part for _, part in engine.parts(0.0, 1.0)][-1]
