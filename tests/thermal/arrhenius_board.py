"""A board that shares no equation with ours: leakage by Arrhenius and the cube of the voltage,
still air that takes more the hotter a face is, and sensors with lag, steps and noise.

Its power is the chip's, the regulators' and that of all else; `drift_w_per_k` is what the board
draws more as it warms.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

STEP_S = 0.2
_KELVIN, _BOLTZMANN_EV = 273.15, 8.617e-5
_FAN = ((50.0, 0.3), (60.0, 0.6), (70.0, 1.0))


@dataclass(frozen=True)
class Kind:
    """One kind of board; conductances in W/K, capacities in J/K."""

    rest_w: float  # without the chip
    work_w: float  # of all cores
    leak_w: float  # of the idle chip at 45 °C
    volts: float  # of the idle chip, as a share of those at work
    die: float
    sink: float
    chip_j: float
    sink_j: float
    blown: float
    power_step_w: float
    temp_step_c: float


PI5 = Kind(1.8, 5.0, 0.35, 0.8, 0.7, 0.075, 3.0, 50.0, 0.25, 2e-3, 0.55)
ORIN = Kind(3.3, 8.0, 0.50, 0.65, 1.4, 0.16, 5.0, 110.0, 0.40, 0.04, 0.03125)
AGX = Kind(6.5, 20.0, 1.20, 0.65, 4.0, 0.40, 10.0, 330.0, 1.1, 0.12, 0.03125)
KINDS = {"pi5": PI5, "orin": ORIN, "agx": AGX}


@dataclass(frozen=True)
class Reading:
    """What its sensors say, and what is so."""

    time_s: float
    temp_c: float
    power_w: float
    fan: float
    true_c: float


class ForeignBoard:
    """Board number `seed` of a kind, in air of `air_c`."""

    def __init__(
        self, kind: Kind, seed: int, air_c: float = 25.0, drift_w_per_k: float = 0.0
    ) -> None:
        dice = self.dice = random.Random(f"foreign {seed}")
        near = lambda value: value * dice.uniform(0.8, 1.25)  # noqa: E731
        self.kind = replace(
            kind, leak_w=near(kind.leak_w), die=near(kind.die), sink=near(kind.sink)
        )
        self._energy_ev = dice.uniform(0.2, 0.33)
        self._lag_s = dice.uniform(0.3, 1.0)
        self._loss = dice.uniform(0.0, 0.08)
        self.air_c, self.drift_w_per_k, self.fan_works = air_c, drift_w_per_k, True
        self.chip_c = self.sink_c = self._felt_c = air_c
        self.time_s = self.fan = 0.0
        self.extra_w = 0.0  # of a device that no count of processor time shows

    def leaked_w(self, temp_c: float, volts: float) -> float:
        """Watts of the chip, losses of its regulator included, as a supply sees them."""
        now_k, then_k = temp_c + _KELVIN, 45.0 + _KELVIN
        heat = math.exp(self._energy_ev / _BOLTZMANN_EV * (1.0 / then_k - 1.0 / now_k))
        cube = (volts / self.kind.volts) ** 3
        return self.kind.leak_w * (now_k / then_k) ** 2 * heat * cube * (1.0 + self._loss)

    @property
    def growth_w(self) -> float:
        """Of the idle chip's leakage from 45 to 70 °C."""
        return self.leaked_w(70.0, self.kind.volts) - self.leaked_w(45.0, self.kind.volts)

    def step(self, busy: float, seconds: float = STEP_S) -> Reading:
        """Let `seconds` pass with that share of all cores at work."""
        kind = self.kind
        volts = 1.0 if busy > 0.02 else kind.volts
        chip_w = busy * kind.work_w * (1.0 + self._loss) + self.leaked_w(self.chip_c, volts)
        other_w = kind.rest_w + self.drift_w_per_k * (self.chip_c - 45.0) + self.extra_w
        up_w = kind.die * (self.chip_c - self.sink_c)
        over_k = self.sink_c - self.air_c
        wind = kind.blown * self.fan**0.8 if self.fan_works else 0.0
        out_w = over_k * (kind.sink * abs(over_k) ** 0.25 + wind)
        self.chip_c += seconds / kind.chip_j * (chip_w - up_w)
        self.sink_c += seconds / kind.sink_j * (up_w + 0.4 * other_w - out_w)
        self._felt_c += (self.chip_c - self._felt_c) * min(1.0, seconds / self._lag_s)
        self.time_s += seconds
        self._turn_fan()
        power_w = (chip_w + other_w) * self.dice.gauss(1.0, 0.004)
        temp_c = self._felt_c + self.dice.gauss(0.0, 0.1)
        return Reading(
            self.time_s,
            round(temp_c / kind.temp_step_c) * kind.temp_step_c,
            round(power_w / kind.power_step_w) * kind.power_step_w,
            self.fan,
            self.chip_c,
        )

    def _turn_fan(self) -> None:
        wanted = max((drive for temp_c, drive in _FAN if self._felt_c >= temp_c), default=0.0)
        kept = max((drive for temp_c, drive in _FAN if self._felt_c >= temp_c - 5.0), default=0.0)
        self.fan = max(wanted, min(self.fan, kept))


def day(
    board: ForeignBoard, seconds: float, work_s: float = 60.0
) -> Iterator[tuple[Reading, float]]:
    """Requests that come and go, now and then a long job, and other programs, with a fan that
    works; each reading with the busy share."""
    dice, until_s, busy, end_s = board.dice, 0.0, 0.0, board.time_s + seconds
    air_c, begin_s = board.air_c, board.time_s
    while board.time_s < end_s:
        if board.time_s >= until_s:
            long = dice.random() < 0.1
            idle = busy > 0.0
            mean_s = 4.0 * work_s if idle else 10.0 * work_s if long else work_s
            busy = 0.0 if idle else dice.uniform(0.5, 1.0)
            until_s = board.time_s + dice.expovariate(1.0 / mean_s)
            board.extra_w = dice.choice((0.0, 0.0, 0.0, 0.02, 0.05)) * board.kind.rest_w
        board.air_c = air_c + 3.0 * math.sin(2.0 * math.pi * (board.time_s - begin_s) / 86_400.0)
        yield board.step(busy, 1.0), busy
