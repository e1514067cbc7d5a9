"""The energy equation: joules of each FLOP, each byte and each second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edge_rt.energy.prediction.nnls import nnls
from edge_rt.energy.prediction.work import Work

LEAST = 4  # samples: one more than unknowns


@dataclass(frozen=True)
class Sample:
    """One run of a sweep over intensities: its work, and the board's joules over its seconds."""

    work: Work
    seconds: float
    energy_j: float
    pressure: float = 1.0  # the penalty g of its CPQ
    yielded: float = 1.0  # Phi at the reference temperature over Phi at the run's

    def __post_init__(self) -> None:
        """ValueError where no run can have been like that."""
        if not (0 < self.seconds < math.inf and 0 < self.energy_j < math.inf):
            raise ValueError(f"{self}: seconds and energy_j must be positive")


@dataclass(frozen=True)
class EnergyEquation:
    """E = g·(flop_j·F + byte_j·Q)·Phi(T_cal)/Phi(T) + static_w·t; ours, after QEIL v2."""

    flop_j: float
    byte_j: float
    static_w: float

    def energy_j(
        self, work: Work, seconds: float, pressure: float = 1.0, yielded: float = 1.0
    ) -> float:
        """The board's joules for `work` that takes `seconds`.

        Leave `yielded` at 1 where leakage is accounted for apart, else it counts twice.
        """
        return self.switching_j(work) * pressure * yielded + self.static_w * seconds

    def switching_j(self, work: Work) -> float:
        """Joules of the work itself, without what flows anyway."""
        return self.flop_j * work.flop + self.byte_j * work.bytes


@dataclass(frozen=True)
class EquationFit:
    """The equation and how far to trust it.

    `r2` is of the mean powers, since that of joules is high by different durations alone; None
    where all powers were equal. `held_out_ratio` is the median relative error of each sample's
    joules by the equation of all others.
    """

    equation: EnergyEquation
    r2: float | None
    held_out_ratio: float


def fit_equation(samples: Sequence[Sample]) -> EquationFit:
    """The equation of the least squares of power, no coefficient negative.

    ValueError with fewer than LEAST samples.
    """
    if len(samples) < LEAST:
        raise ValueError(f"samples: {len(samples)}, at least {LEAST} are needed: sweep more sizes")
    equation = _fit(samples)
    held_out = [
        _error(_fit([*samples[:i], *samples[i + 1 :]]), sample) for i, sample in enumerate(samples)
    ]
    return EquationFit(equation, _r2(equation, samples), median(held_out))


def _fit(samples: Sequence[Sample]) -> EnergyEquation:
    rows: list[tuple[float, ...]] = []
    for sample in samples:
        scale = sample.pressure * sample.yielded / sample.seconds
        rows.append((scale * sample.work.flop, scale * sample.work.bytes, 1.0))
    return EnergyEquation(*nnls(rows, [s.energy_j / s.seconds for s in samples]))


def _told_j(equation: EnergyEquation, sample: Sample) -> float:
    return equation.energy_j(sample.work, sample.seconds, sample.pressure, sample.yielded)


def _error(equation: EnergyEquation, sample: Sample) -> float:
    return abs(_told_j(equation, sample) / sample.energy_j - 1.0)


def _r2(equation: EnergyEquation, samples: Sequence[Sample]) -> float | None:
    powers = [sample.energy_j / sample.seconds for sample in samples]
    mean = math.fsum(powers) / len(powers)
    total = math.fsum((power - mean) ** 2 for power in powers)
    left = math.fsum(
        (_told_j(equation, s) / s.seconds - power) ** 2
        for s, power in zip(samples, powers, strict=True)
    )
    return 1.0 - left / total if total > 1e-12 * mean * mean * len(powers) else None
