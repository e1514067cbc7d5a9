"""The figures of one simulated board, drawn from a seed and hidden from whoever reads it."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass

from edge_rt.twin.shape import Shape

REFERENCE_C = 45.0  # where `leakage_w` holds


@dataclass(frozen=True)
class Parameters:
    """What the plant obeys; see `Prior` for the meaning of each."""

    static_w: float
    core_w: float
    leakage_w: float
    doubling_c: float  # degrees that double the leakage
    voltage_floor: float  # the core's voltage towards 0 Hz, as a fraction of that at the top
    resistances_c_per_w: tuple[float, ...]
    capacities_j_per_c: tuple[float, ...]
    fan_gain: float
    zone_nearness: float  # other zones: 1 as hot as the cores, 0 as what surrounds the chip
    gpu_w: float  # busy all the time at the top clock; 0: there is no GPU
    gpu_leakage_w: float  # the same chip's, so it doubles alike; only while the GPU is on
    gpu_voltage_floor: float

    def json(self) -> str:
        """For the evaluation of what a controller believed."""
        return json.dumps(asdict(self), indent=2) + "\n"


def draw(shape: Shape, seed: int) -> Parameters:
    """The board number `seed` of its kind: the same each time, near the profile's figures.

    The spread is ours: a fifth for power and heat, a third for leakage, which differs most
    between chips; the doubling of leakage within what 13 to 31 K of theory allow.
    """
    dice = random.Random(f"{shape.board.id}:{seed}")
    static_w, core_w = _power(shape)
    gpu, gpu_hz = shape.prior.gpu, max(shape.gpu_steps_hz, default=0.0)
    resistances, capacities = _network(shape)
    return Parameters(
        static_w=_near(dice, static_w, 0.2),
        core_w=_near(dice, core_w, 0.2),
        leakage_w=_near(dice, shape.prior.leakage_w, 0.33),
        doubling_c=dice.uniform(15.0, 27.0),
        voltage_floor=dice.uniform(0.55, 0.70),
        resistances_c_per_w=tuple(_near(dice, r, 0.2) for r in resistances),
        capacities_j_per_c=tuple(_near(dice, c, 0.2) for c in capacities),
        fan_gain=_near(dice, shape.prior.fan_gain, 0.2),
        zone_nearness=dice.uniform(0.6, 0.95),
        gpu_w=_near(dice, gpu.busy_w_per_hz * gpu_hz, 0.2),
        gpu_leakage_w=_near(dice, gpu.leakage_w if gpu_hz else 0.0, 0.33),
        gpu_voltage_floor=dice.uniform(0.55, 0.70),
    )


def _near(dice: random.Random, value: float, spread: float) -> float:
    return value * dice.uniform(1.0 - spread, 1.0 + spread)


def _power(shape: Shape) -> tuple[float, float]:
    """Static power and that of a core: where no rail defines what counts, the profile's draw."""
    prior, draw = shape.prior, shape.board.draw
    if shape.board.rails or draw.idle_w is None:
        return prior.static_w, prior.core_w
    idle_w = draw.idle_w.value
    loaded_w = draw.loaded_w.value if draw.loaded_w else idle_w + shape.cores * prior.core_w
    static_w = max(0.1 * idle_w, idle_w - prior.leakage_w)
    return static_w, max(0.01, (loaded_w - idle_w) / shape.cores)


def _network(shape: Shape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """One node where the profile knows its constants, else those of the class."""
    known = shape.board.thermal.constants
    if known is None or known.resistance_c_per_w is None or known.capacity_j_per_c is None:
        return shape.prior.resistances_c_per_w, shape.prior.capacities_j_per_c
    return (known.resistance_c_per_w,), (known.capacity_j_per_c,)
