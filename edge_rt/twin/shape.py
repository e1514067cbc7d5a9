"""What can be known of a simulated board: its parts, steps and thresholds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_rt.config.board import Board
from edge_rt.twin.priors import Prior, prior_of

_STEPS = 12  # clocks between the lowest and the top one, where the profile lists none
_GPU_TOP_HZ = 1e9  # where the profile has none
_HYSTERESIS_C = 5.0


@dataclass(frozen=True)
class Shape:
    """The profile's figures, and the class's where the profile has none."""

    board: Board
    prior: Prior
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
        """The shape of the board that a profile describes."""
        prior, trips = prior_of(board), board.thermal.trips
        throttle_c = (trips.throttle_c or trips.hot_c) if trips else None
        fan = board.thermal.fan
        return cls(
            board,
            prior,
            _policies(_cores(board, prior), prior.policy_cores),
            _steps(board, prior),
            _gpu_steps(board, prior),
            throttle_c or prior.throttle_c,
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


def _cores(board: Board, prior: Prior) -> int:
    return sum(cluster.cores for cluster in board.clusters.values()) or prior.cores


def _policies(cores: int, each: int | None) -> tuple[tuple[int, ...], ...]:
    size = each or cores
    return tuple(tuple(range(n, min(n + size, cores))) for n in range(0, cores, size))


def _steps(board: Board, prior: Prior) -> tuple[float, ...]:
    clusters = board.clusters.values()
    top = max((c.max_hz for c in clusters if c.max_hz), default=prior.top_hz)
    listed = {hz for cluster in clusters for hz in cluster.steps_hz}
    low = min(prior.low_hz, top)
    if not listed:
        listed = {low + (top - low) * n / (_STEPS - 1) for n in range(_STEPS)}
    rounded = {math.floor(hz / 1e5) * 1e5 for hz in listed | {top}}
    return tuple(sorted(rounded, reverse=True))


def _gpu_steps(board: Board, prior: Prior) -> tuple[float, ...]:
    if board.gpu is None:
        return ()
    top_hz, low_hz = board.gpu.max_hz or _GPU_TOP_HZ, prior.gpu.low_hz
    count = math.ceil(max(0.0, top_hz - low_hz) / prior.gpu.step_hz)
    between = (low_hz + n * prior.gpu.step_hz for n in range(count))
    return tuple(sorted({top_hz, *between}, reverse=True))


def _fan_points(board: Board, prior: Prior) -> tuple[tuple[float, float], ...]:
    if board.thermal.fan is None:
        return prior.fan_points
    points = board.thermal.fan.points
    return tuple(
        (p.temp_c, (n + 1) / len(points) if p.duty is None else p.duty)
        for n, p in enumerate(points)
    )
