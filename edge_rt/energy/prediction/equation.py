"""The energy equation of work, its fit without negative terms, and the joules of an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from edge_rt.config.board import Board
from edge_rt.energy.prediction.roofline import Workload

MOST = 6
_SINGULAR = 1e-13  # of a pivot, where every column has the length 1

Vector = Sequence[float]


def nnls(rows: Sequence[Vector], targets: Vector) -> tuple[float, ...]:
    """The x >= 0 with the least sum of (row·x - target)².

    Of unknowns that cannot be told apart one takes all. ValueError where the sizes do not fit,
    there are no rows or more than MOST unknowns.
    """
    count = len(rows[0]) if rows else 0
    if not 1 <= count <= MOST or any(len(row) != count for row in rows):
        raise ValueError(f"rows: expected all of one length of 1 to {MOST}")
    if len(rows) != len(targets):
        raise ValueError(f"targets: {len(targets)} for {len(rows)} rows")
    lengths = [math.sqrt(math.fsum(row[i] ** 2 for row in rows)) for i in range(count)]
    used = [i for i in range(count) if lengths[i] > 0]
    columns = [[row[i] / lengths[i] for row in rows] for i in used]
    gram = [[_dot(a, b) for b in columns] for a in columns]
    found = _best(gram, [_dot(column, targets) for column in columns])
    solution = [0.0] * count
    for i, value in zip(used, found, strict=True):
        solution[i] = value / lengths[i]
    return tuple(solution)


def _best(gram: Sequence[Vector], moments: Vector) -> list[float]:
    """The feasible solution over any set of unknowns that leaves the least."""
    best, least = [0.0] * len(moments), 0.0
    for size in range(1, len(moments) + 1):
        for chosen in combinations(range(len(moments)), size):
            solution = _solved(gram, moments, chosen)
            if solution is None or min(solution) < 0:
                continue
            left = _left(gram, moments, solution)
            if left < least:
                best, least = solution, left
    return best


def _left(gram: Sequence[Vector], moments: Vector, solution: Vector) -> float:
    """The sum of squares, but for what no solution changes."""
    squares = math.fsum(x * _dot(row, solution) for x, row in zip(solution, gram, strict=True))
    return squares - 2.0 * _dot(moments, solution)


def _solved(gram: Sequence[Vector], moments: Vector, chosen: Sequence[int]) -> list[float] | None:
    """Return the solution with only the `chosen` unknowns; None if they are linearly dependent."""
    size = len(chosen)
    lower = [[0.0] * size for _ in range(size)]
    forward: list[float] = []
    for i in range(size):
        for j in range(i):
            lower[i][j] = (gram[chosen[i]][chosen[j]] - _dot(lower[i][:j], lower[j][:j])) / (
                lower[j][j]
            )
        pivot = gram[chosen[i]][chosen[i]] - _dot(lower[i][:i], lower[i][:i])
        if pivot < _SINGULAR:
            return None
        lower[i][i] = math.sqrt(pivot)
        forward.append((moments[chosen[i]] - _dot(lower[i][:i], forward)) / lower[i][i])
    solution = [0.0] * len(moments)
    for i in reversed(range(size)):
        later = math.fsum(lower[j][i] * solution[chosen[j]] for j in range(i + 1, size))
        solution[chosen[i]] = (forward[i] - later) / lower[i][i]
    return solution


def _dot(a: Vector, b: Vector) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


@dataclass(frozen=True)
class Watts:
    """What the board draws idle, and what reading a prompt and decoding add to that."""

    idle_w: float | None  # None: not known, so neither is the board's whole
    prefill_w: float
    decode_w: float

    @classmethod
    def of_totals(cls, idle_w: float, prefill_w: float, decode_w: float) -> Watts:
        """Make it from the whole board's power in each state; no phase adds less than 0."""
        return cls(idle_w, max(0.0, prefill_w - idle_w), max(0.0, decode_w - idle_w))

    def times(self, factor: float) -> Watts:
        """Return it with the additions scaled by `factor`, and idle unchanged."""
        return Watts(self.idle_w, factor * self.prefill_w, factor * self.decode_w)

    def plus(self, added_w: float) -> Watts:
        """Return it with `added_w` more in both phases; no phase adds less than 0."""
        prefill_w, decode_w = self.prefill_w + added_w, self.decode_w + added_w
        return Watts(self.idle_w, max(0.0, prefill_w), max(0.0, decode_w))


@dataclass(frozen=True)
class PhaseEnergy:
    """What an answer adds, the board's whole over its time, and the mean of that."""

    energy_j: float
    total_j: float | None
    power_w: float | None


def spend(watts: Watts, prefill_s: float, decode_s: float, rest_s: float = 0.0) -> PhaseEnergy:
    """The joules of the two phases' computing, and of `rest_s` more in which nothing is computed.

    Our formula, after idealized runtime: E(p, o) = P_prefill·F(p) + P_decode·β·(o - 1) +
    P_idle·overhead, where the powers are the board's; rests of pacing count as overhead.
    """
    added_j = watts.prefill_w * prefill_s + watts.decode_w * decode_s
    if watts.idle_w is None:
        return PhaseEnergy(added_j, None, None)
    seconds = prefill_s + decode_s + rest_s
    total_j = added_j + watts.idle_w * seconds
    return PhaseEnergy(added_j, total_j, total_j / seconds if seconds > 0 else watts.idle_w)


def board_watts(board: Board | None) -> Watts | None:
    """What the profile tells of a board whose cores are all busy; None where it does not."""
    if board is None or board.draw.idle_w is None or board.draw.loaded_w is None:
        return None
    loaded_w = board.draw.loaded_w.value
    return Watts.of_totals(board.draw.idle_w.value, loaded_w, loaded_w)


@dataclass(frozen=True)
class Warmth:
    """The chip's temperature now; `leaked_w` gives what it leaks at work beyond what it does idle.

    The leakage of an idle chip is in what the board draws idle, and follows the temperature there.
    At work the voltage is higher, and what leaks for that is a part of what answers add.
    """

    temp_c: float
    leaked_w: Callable[[float], float]

    def added_w(self, temp_c: float | None) -> float:
        """Watts that computing adds now and did not at `temp_c`; 0 where that is not known."""
        return 0.0 if temp_c is None else self.leaked_w(self.temp_c) - self.leaked_w(temp_c)


LEAST = 4  # samples: one more than unknowns


@dataclass(frozen=True)
class Sample:
    """One run of a sweep over intensities: its work, and the board's joules over its seconds."""

    work: Workload
    seconds: float
    energy_j: float

    def __post_init__(self) -> None:
        """ValueError where no run can have been like that."""
        if not (0 < self.seconds < math.inf and 0 < self.energy_j < math.inf):
            raise ValueError(f"{self}: seconds and energy_j must be positive")


@dataclass(frozen=True)
class EnergyEquation:
    """E = flop_j·F + byte_j·Q + static_w·t; ours, after QEIL v2 (arXiv 2602.06057)."""

    flop_j: float
    byte_j: float
    static_w: float

    def energy_j(self, work: Workload, seconds: float) -> float:
        """Return the board's joules for `work` that takes `seconds`."""
        return self.flop_j * work.flop + self.byte_j * work.bytes + self.static_w * seconds


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
        scale = 1.0 / sample.seconds
        rows.append((scale * sample.work.flop, scale * sample.work.bytes, 1.0))
    return EnergyEquation(*nnls(rows, [s.energy_j / s.seconds for s in samples]))


def _told_j(equation: EnergyEquation, sample: Sample) -> float:
    return equation.energy_j(sample.work, sample.seconds)


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
