"""Estimates of published measurements, with figures fitted to other boards and other models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from edge_rt.board_model.roofline import (
    KERNELS,
    NO_GPU,
    GpuKernels,
    board_ceilings,
    gpu_cores_hz,
    power_mode,
    roofline,
)
from edge_rt.board_model.watts import GPU_J, board_watts
from evallib.published.table import Measured

_CORES = 4  # of a computer whose profile does not tell
_OF_CPU_BUS = 0.6
_START = (10.0, 10.0, 50e3, 20.0)  # cycles of a weight, a byte, a layer and a word to begin with
_ROUNDS = 60
_STEP = 1e-4  # of a logarithm, for the slope
_WIDEST = 0.5  # of a logarithm in one round
_TAME = 0.15  # of a logarithm: errors above it count less and less
_HELD = 1e-2  # what keeps a figure where no row tells of it


@dataclass(frozen=True)
class Fitted:
    """What the roofline knows of kernels, and the joules of a cycle of a CUDA core."""

    kernels: GpuKernels = KERNELS
    of_cpu_bus: float = _OF_CPU_BUS
    gpu_j: float = GPU_J


@dataclass(frozen=True)
class Estimated:
    """The estimate of one row; `watts` is None where the row has none."""

    row: Measured
    step_s: float
    watts: float | None

    @property
    def speed(self) -> float:
        """The tokens a second over those measured."""
        return self.row.step_s / self.step_s

    @property
    def joules(self) -> float | None:
        """The joules of a token over those measured."""
        if self.watts is None or self.row.watts is None:
            return None
        return self.watts * self.step_s / (self.row.watts * self.row.step_s)


def fit(rows: Sequence[Measured]) -> Fitted:
    """Return the figures that fit best."""
    slow = [row for row in rows if not row.gpu and not row.odd]
    shares = [_OF_CPU_BUS * step_s(row, Fitted()) / row.step_s for row in slow]
    draws = [_gpu_j(row) for row in rows if row.gpu and row.watts is not None and _whole(row)]
    return Fitted(
        kernels=_fit_kernels([row for row in rows if row.gpu]),
        of_cpu_bus=median(shares) if shares else _OF_CPU_BUS,
        gpu_j=median(draws) if draws else GPU_J,
    )


def leave_out(rows: Sequence[Measured]) -> list[Estimated]:
    """Estimate each row by figures of rows that share neither its board nor its model.

    The watts are the board's own in that mode, measured with other models, as a profile has them;
    where there are none, they follow from the joules of a cycle on other boards.
    """
    known: dict[tuple[str, str], Fitted] = {}
    found: list[Estimated] = []
    for row in rows:
        key = row.board, row.model
        if key not in known:
            others = [one for one in rows if one.board != row.board and one.model != row.model]
            known[key] = fit(others)
        watts = None if row.watts is None else _watts(row, rows, known[key])
        found.append(Estimated(row, step_s(row, known[key]), watts))
    return found


def _watts(row: Measured, rows: Sequence[Measured], fitted: Fitted) -> float | None:
    if not row.gpu:
        told = board_watts(row.profile)
        return None if told is None or told.idle_w is None else told.idle_w + told.decode_w
    here = [one for one in rows if (one.board, one.mode) == (row.board, row.mode)]
    own = [one.watts for one in here if one.model != row.model and one.watts is not None]
    return median(own) if own else _idle_w(row) + fitted.gpu_j * _cores_hz(row)


def step_s(row: Measured, fitted: Fitted) -> float:
    """Return the seconds of a token of that row's board and model."""
    share = fitted.kernels.of_bus if row.gpu else fitted.of_cpu_bus
    ceilings = board_ceilings(row.profile, _CORES, gpu=row.gpu, mode=row.mode, of_bus=share)
    seconds = fitted.kernels.seconds(row.profile, row.mode) if row.gpu else None
    found = roofline(row.shape, ceilings, seconds or NO_GPU)
    return found.step_s + found.step_context_s * row.context


def _fit_kernels(rows: Sequence[Measured]) -> GpuKernels:
    """Return the cycles that fit the rows best: Gauss-Newton on logarithms, wild rows tamed.

    The share of the bus stays: a GPU's kernels hardly ever wait for memory alone.
    """
    start = np.array(_START)
    logs = np.zeros(len(start))

    def kernels(at: np.ndarray) -> GpuKernels:
        return GpuKernels(KERNELS.of_bus, *(start * np.exp(at)).tolist())

    def errors(at: np.ndarray) -> np.ndarray:
        fitted = Fitted(kernels(at))
        return np.array([math.log(step_s(row, fitted) * row.tokens_per_s) for row in rows])

    for _ in range(_ROUNDS if rows else 0):
        now = errors(logs)
        shifts = _STEP * np.eye(len(start))
        slopes = np.array([(errors(logs + shift) - now) / _STEP for shift in shifts]).T
        weights = 1.0 / np.sqrt(1.0 + (now / _TAME) ** 2)
        normal = (slopes * weights[:, None]).T @ slopes + _HELD * np.eye(len(start))
        step = np.linalg.solve(normal, slopes.T @ (weights * now))
        logs = logs - np.clip(step, -_WIDEST, _WIDEST)
        if np.abs(step).max() < _STEP:
            break
    return kernels(logs)


def _whole(row: Measured) -> bool:
    """Return whether its watts are those of more than the processors' rail."""
    mode = power_mode(row.profile, row.mode)
    return mode is None or mode.decode_w is None


def _gpu_j(row: Measured) -> float:
    return ((row.watts or 0.0) - _idle_w(row)) / _cores_hz(row)


def _idle_w(row: Measured) -> float:
    idle = row.profile.draw.idle_w
    return 0.0 if idle is None else idle.value


def _cores_hz(row: Measured) -> float:
    return gpu_cores_hz(row.profile, row.mode) or 0.0
