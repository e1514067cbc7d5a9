"""Simulated boards under a bursty load, and how forecasts of them come out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from edge_rt.config.boards import load_boards
from edge_rt.sensors.modelled import power_scale
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.prior import Prior
from edge_rt.thermal.trials import HORIZONS_S, Trial
from edge_rt.twin.parameters import Parameters, draw
from edge_rt.twin.plant import Conditions, Plant, State
from edge_rt.twin.shape import Shape

BOARDS = load_boards()
DT_S = 0.2
_PARTS = 2  # sensors are read twice as often as the model is told
_EVERY = 25  # looks between forecasts that are judged
AIR_C = 25.0


@dataclass(frozen=True)
class Look:
    """What is seen, and the chip's true temperature."""

    time_s: float
    temp_c: float
    power_w: float
    fan: float
    true_c: float


def shape_of(name: str) -> Shape:
    return Shape.of(BOARDS[name])


def parameters_of(name: str, seed: int) -> Parameters:
    return draw(shape_of(name), seed)


def prior_of(name: str) -> Prior:
    """What a daemon knows of the board: about what it draws, and whether it has a fan."""
    shape = shape_of(name)
    known = BOARDS[name].draw.loaded_w
    prior = shape.prior
    loaded_w = known.value if known else prior.static_w + shape.cores * prior.core_w
    return Prior.generic(loaded_w, fan=bool(shape.fan_points))


def bursts(cores: int, seed: int) -> Callable[[float], int]:
    """Busy cores by time: as many as chance wants for 2 to 60 s, every second time none."""
    dice, plan = random.Random(seed), [(0.0, 0)]

    def busy(time_s: float) -> int:
        while time_s >= plan[-1][0]:
            count = 0 if plan[-1][1] and dice.random() < 0.5 else dice.randint(0, cores)
            plan.append((plan[-1][0] + dice.uniform(2.0, 60.0), count))
        return plan[-1][1]

    return busy


def looks(
    name: str,
    seed: int,
    seconds: float,
    conditions: Callable[[float], Conditions] = lambda _: Conditions(AIR_C),
    busy: Callable[[float], float] | None = None,
) -> Iterator[Look]:
    """What the board's sensors show, temperatures in its steps."""
    shape = shape_of(name)
    plant = Plant(shape, parameters_of(name, seed), conditions(0.0).ambient_c)
    cores = busy or bursts(shape.cores, seed)
    step_c = shape.prior.zone_step_c
    for _ in range(round(seconds / DT_S)):
        states = [
            plant.step(DT_S / _PARTS, cores(plant.time_s), conditions(plant.time_s))
            for _ in range(_PARTS)
        ]
        last = states[-1]
        power_w = fmean(_power_w(shape, state) for state in states)
        temp_c = round(last.chip_c / step_c) * step_c
        yield Look(last.time_s, temp_c, power_w, last.fan_duty, last.chip_c)


def _power_w(shape: Shape, state: State) -> float:
    """The first total of the rails; where there is none, what the profile's figures say."""
    board = shape.board
    if board.totals:
        return sum(state.rails_w[label] for label in board.totals[0].rails)
    assert board.draw.idle_w is not None
    assert board.draw.loaded_w is not None
    idle_w, loaded_w = board.draw.idle_w.value, board.draw.loaded_w.value
    scale = power_scale(state.clocks_hz[0] / shape.top_hz, 0.6)
    return idle_w + state.busy_cores * (loaded_w - idle_w) / shape.cores * scale


@dataclass(frozen=True)
class Outcome:
    """One forecast: when, by how much it was off, and the half width that was told."""

    made_s: float
    horizon_s: float
    error_k: float
    band_k: float


def judge(model: ThermalModel, seen: Sequence[Look]) -> list[Outcome]:
    """Tell `model` all that is seen; judge its forecasts given the power that really came."""
    found: list[Outcome] = []
    running: list[tuple[float, Trial]] = []
    for number, look in enumerate(seen):
        model.observe(look.time_s, look.temp_c, look.power_w, look.fan)
        for made_s, trial in running:
            trial.advance(DT_S, look.power_w)
            horizon_s = HORIZONS_S[trial.passed]
            if trial.age_s >= horizon_s - 1e-6:
                error_k = look.true_c - trial.temps_c[0]
                found.append(Outcome(made_s, horizon_s, error_k, trial.bands_k[trial.passed]))
                trial.passed += 1
        running = [pair for pair in running if pair[1].passed < len(HORIZONS_S)]
        if number % _EVERY == 0 and (trial := model.trial()) is not None:
            running.append((look.time_s, trial))
    return found


@dataclass(frozen=True)
class Score:
    """Mean absolute error, share of errors within their bands, median half width."""

    mae_k: float
    covered: float
    band_k: float


def score(outcomes: Sequence[Outcome], horizon_s: float = 30.0, since_s: float = 0.0) -> Score:
    chosen = [o for o in outcomes if o.horizon_s == horizon_s and o.made_s >= since_s]
    return Score(
        fmean(abs(o.error_k) for o in chosen),
        fmean(float(abs(o.error_k) <= o.band_k) for o in chosen),
        median(o.band_k for o in chosen),
    )
