"""A simulated board's parts, steps and thresholds, and its figures: generic or from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_rt.config.board import Board
from edge_rt.core.files import read_yaml

_FILE = Path(__file__).with_name("priors.yaml")
_OTHER = "other"
_STEPS = 12  # clocks between the lowest and the top one, where the profile lists none
_GPU_TOP_HZ = 1e9  # where the profile has none
_HYSTERESIS_C = 5.0
REFERENCE_C = 45.0  # where `leakage_w` holds


@dataclass(frozen=True)
class RailShare:
    """How much of the board's static, switching and leakage power one rail carries by itself.

    The GPU's is apart from the others'. A rail that feeds others shows their power on top of its
    own.
    """

    static: float = 0.0
    dynamic: float = 0.0
    leakage: float = 0.0
    voltage_v: float = 5.0
    gpu: float = 0.0  # of all that the GPU takes


@dataclass(frozen=True)
class GpuPrior:
    """The graphics processor of a class of boards; the profile tells whether there is one."""

    device: str = "gpu"  # of devfreq
    folder: str = "devices/platform"  # where below /sys its driver has the devices
    tells_load: bool = True
    busy_w_per_hz: float = 8e-9  # of its top clock, where it is busy all the time
    leakage_w: float = 0.3  # while it is switched on, at 45 °C and the top clock's voltage
    low_hz: float = 306e6
    step_hz: float = 102e6


@dataclass(frozen=True)
class BoardPrior:
    """One class of boards.

    Resistances and capacities go from the chip outwards; the last resistance leads to still air,
    and a fan at full speed divides it by 1 + `fan_gain`. `static_w` lies outside the chip.
    """

    static_w: float
    core_w: float  # one core busy at the top clock
    leakage_w: float  # at 45 °C and the top clock's voltage
    resistances_c_per_w: tuple[float, ...]
    capacities_j_per_c: tuple[float, ...]
    shares: Mapping[str, RailShare] = field(default_factory=dict[str, RailShare])
    fan_gain: float = 0.0
    fan_points: tuple[tuple[float, float], ...] = ()  # °C and duty, where the profile has none
    cores: int = 4
    top_hz: float = 1.5e9
    low_hz: float = 0.6e9
    policy_cores: int | None = None  # cores that share a clock; None: all of them
    throttle_c: float = 95.0
    critical_c: float = 110.0
    zone_step_c: float = 0.001  # how finely temperatures are reported
    gpu: GpuPrior = GpuPrior()
    iio: bool = False  # JetPack 4's driver of the INA3221


def prior_of(board: Board) -> BoardPrior:
    """Return the figures of the class that `board` belongs to, which a rail of it tells."""
    classes = msgspec.convert(read_yaml(_FILE), dict[str, BoardPrior])
    return classes[next((rail for rail in classes if rail in board.rails), _OTHER)]


@dataclass(frozen=True)
class Shape:
    """The profile's figures, and the class's where the profile has none."""

    board: Board
    prior: BoardPrior
    policies: tuple[tuple[int, ...], ...]  # cores by the clock that they share
    steps_hz: tuple[float, ...]  # from the top down
    gpu_steps_hz: tuple[float, ...]  # the same of the GPU; none: there is no GPU
    throttle_c: float
    hot_c: float | None  # from here on the lowest clock
    critical_c: float  # switches off
    fan_points: tuple[tuple[float, float], ...]  # °C and duty
    hysteresis_c: float

    @classmethod
    def of(cls, board: Board) -> Shape:
        """Return the shape of the board that a profile describes."""
        prior, trips = prior_of(board), board.thermal.trips
        fan = board.thermal.fan
        cores = sum(cluster.cores for cluster in board.clusters.values())
        return cls(
            board,
            prior,
            _policies(cores or prior.cores, prior.policy_cores),
            _steps(board, prior),
            _gpu_steps(board, prior),
            board.thermal.slows_c or prior.throttle_c,
            trips.hot_c if trips else None,
            (trips.shutdown_c if trips else None) or prior.critical_c,
            _fan_points(board, prior),
            _HYSTERESIS_C if fan is None or fan.hysteresis_c is None else fan.hysteresis_c,
        )

    @property
    def cores(self) -> int:
        """All cores."""
        return sum(len(policy) for policy in self.policies)

    @property
    def top_hz(self) -> float:
        """The highest clock."""
        return self.steps_hz[0]

    @property
    def firmware_throttles(self) -> bool:
        """A Raspberry Pi: its firmware holds the clock down, and tells by flags only."""
        return any(name.startswith("raspberrypi,") for name in self.compatible)

    @property
    def compatible(self) -> tuple[str, ...]:
        """The device tree's `compatible`, such as a board of this profile has."""
        parts = tuple(f"nvidia,{number}" for number in self.board.match.part_numbers[:1])
        return (*parts, *self.board.match.compatible[:1])


def _policies(cores: int, each: int | None) -> tuple[tuple[int, ...], ...]:
    size = each or cores
    return tuple(tuple(range(n, min(n + size, cores))) for n in range(0, cores, size))


def _steps(board: Board, prior: BoardPrior) -> tuple[float, ...]:
    clusters = board.clusters.values()
    top = max((c.max_hz for c in clusters if c.max_hz), default=prior.top_hz)
    listed = {hz for cluster in clusters for hz in cluster.steps_hz}
    low = min(prior.low_hz, top)
    if not listed:
        listed = {low + (top - low) * n / (_STEPS - 1) for n in range(_STEPS)}
    rounded = {math.floor(hz / 1e5) * 1e5 for hz in listed | {top}}
    return tuple(sorted(rounded, reverse=True))


def _gpu_steps(board: Board, prior: BoardPrior) -> tuple[float, ...]:
    if board.gpu is None:
        return ()
    top_hz, low_hz = board.gpu.max_hz or _GPU_TOP_HZ, prior.gpu.low_hz
    count = math.ceil(max(0.0, top_hz - low_hz) / prior.gpu.step_hz)
    between = (low_hz + n * prior.gpu.step_hz for n in range(count))
    return tuple(sorted({top_hz, *between}, reverse=True))


def _fan_points(board: Board, prior: BoardPrior) -> tuple[tuple[float, float], ...]:
    if board.thermal.fan is None:
        return prior.fan_points
    points = board.thermal.fan.points
    return tuple(
        (p.temp_c, (n + 1) / len(points) if p.duty is None else p.duty)
        for n, p in enumerate(points)
    )


@dataclass(frozen=True)
class Parameters:
    """What the plant obeys; see `BoardPrior` for the meaning of each."""

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


def draw(shape: Shape, seed: int) -> Parameters:
    """Return the board number `seed` of its kind: the same each time, near the profile's figures.

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
    """Return static power and that of a core.

    Where no rail defines what counts, the profile's draw is split.
    """
    prior, draw = shape.prior, shape.board.draw
    if shape.board.rails or draw.idle_w is None:
        return prior.static_w, prior.core_w
    idle_w = draw.idle_w.value
    loaded_w = draw.loaded_w.value if draw.loaded_w else idle_w + shape.cores * prior.core_w
    static_w = max(0.1 * idle_w, idle_w - prior.leakage_w)
    return static_w, max(0.01, (loaded_w - idle_w) / shape.cores)


def _network(shape: Shape) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return one node where the profile knows its constants, else those of the class."""
    known = shape.board.thermal.constants
    if known is None or known.resistance_c_per_w is None or known.capacity_j_per_c is None:
        return shape.prior.resistances_c_per_w, shape.prior.capacities_j_per_c
    return (known.resistance_c_per_w,), (known.capacity_j_per_c,)
