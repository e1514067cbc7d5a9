"""The hidden figures of one board of the second plant, drawn from a seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from benchlib.plant_kinds import Graphics, Kind, Path, Processor

REFERENCE_C = 45.0  # temperature at which leakage is stated
_ZERO_K = 273.15
_BOLTZMANN_EV = 8.617e-5


@dataclass(frozen=True)
class Curve:
    """Voltage over clock, as shares of those at the top: flat to the knee, then ever steeper."""

    floor: float
    knee: float
    bend: float

    def voltage(self, clock: float) -> float:
        """The voltage at a clock."""
        if clock <= self.knee:
            return self.floor
        rise = (clock - self.knee) / (1.0 - self.knee)
        return self.floor + (1.0 - self.floor) * float(rise**self.bend)


@dataclass(frozen=True)
class Leak:
    """Leakage of a die: `top_w` at 45 °C and the top voltage, growing as T²·exp(-Ea/kT)·V³."""

    top_w: float
    energy_ev: float

    def growth(self, temp_c: float) -> float:
        """Leakage at `temp_c` over that at 45 °C."""
        now_k, then_k = temp_c + _ZERO_K, REFERENCE_C + _ZERO_K
        heat = self.energy_ev / _BOLTZMANN_EV * (1.0 / then_k - 1.0 / now_k)
        return (now_k / then_k) ** 2 * math.exp(heat)

    def watts(self, temp_c: float, voltage: float) -> float:
        """Leakage at `temp_c`, at a share of the top voltage."""
        return self.top_w * self.growth(temp_c) * voltage**3


@dataclass(frozen=True)
class Figures:
    """The hidden figures of one board.

    - gather: the exponent of the number of cores in their power
    - prompt_ratio: power of cores that read prompts, over that of cores that decode
    - loss, loss_per_w: of the regulators, as a share of the load and per watt of it
    - drift_w_per_k: growth of the circuit board's power for each kelvin
    - late: share of a reading that belongs to the tenth of a second before
    - aperture_s: time over which one reading is averaged
    """

    kind: Kind
    static_w: float
    processor: Processor
    leak: Leak
    curve: Curve
    gather: float
    prompt_ratio: float
    memory_w: float
    loss: float
    loss_per_w: float
    drift_w_per_k: float
    unseen_w: float
    path: Path
    late: float
    aperture_s: float
    zone_lag_s: float
    model_gb: float  # weights that each pass reads
    gpu: Graphics | None
    gpu_leak: Leak | None
    gpu_ratio: float


def draw(kind: Kind, seed: int, on_gpu: bool = False) -> Figures:
    """Board number `seed` of a kind, the same each time."""
    dice = random.Random(f"plant {kind.profile} {seed}")

    def near(value: float, spread: float = 0.2) -> float:
        return value * dice.uniform(1.0 - spread, 1.0 + spread)

    chip, path, gpu = kind.processor, kind.path, kind.gpu
    sizes = gpu.models_gb if gpu is not None and on_gpu else kind.models_gb
    energy_ev = dice.uniform(0.19, 0.34)  # doubles each 26 to 15 K
    leak_w = near(chip.leakage_w, 0.35)
    return Figures(
        kind=kind,
        static_w=near(kind.static_w),
        processor=replace(chip, switching_w=near(chip.switching_w), uncore_w=near(chip.uncore_w)),
        leak=Leak(leak_w, energy_ev),
        curve=Curve(dice.uniform(0.62, 0.74), dice.uniform(0.3, 0.5), dice.uniform(1.2, 1.8)),
        gather=dice.uniform(0.84, 0.96),
        prompt_ratio=dice.uniform(1.0, 1.5),
        memory_w=near(kind.memory_w),
        loss=dice.uniform(0.06, 0.11),
        loss_per_w=dice.uniform(0.2, 0.6) / (100.0 * chip.switching_w),
        drift_w_per_k=dice.uniform(0.0, 0.0005) * kind.static_w,
        unseen_w=near(kind.unseen_w, 0.5),
        path=replace(
            path,
            die_spreader=near(path.die_spreader),
            spreader_sink=near(path.spreader_sink),
            fins=near(path.fins),
            face=near(path.face),
            blown=near(path.blown),
            capacities={name: near(value) for name, value in path.capacities.items()},
        ),
        late=dice.uniform(0.2, 0.9),
        aperture_s=dice.uniform(0.02, 0.06),
        zone_lag_s=dice.uniform(0.2, 0.8),
        model_gb=sizes[seed % len(sizes)],
        gpu=gpu and replace(gpu, switching_w=near(gpu.switching_w)),
        gpu_leak=gpu and Leak(near(gpu.leakage_w, 0.35), energy_ev),
        gpu_ratio=dice.uniform(1.0, 1.5),
    )
