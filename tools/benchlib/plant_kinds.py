"""Five kinds of boards for the second plant: what their makers publish, and what is hidden.

Published are cores, clocks, trip points, fans and sensors. The hidden figures are guesses of ours
around which each board is drawn from its seed; nothing here comes from `edge_rt.twin`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Meter = Literal["ina3221", "pmic", "rapl", "modelled", "jtop"]
_MHZ = 1e6
_JETSON_FAN = ((50.0, 0.35), (65.0, 0.7), (80.0, 1.0))
_SMALL = {"die": 2.2, "spreader": 5.0, "sink": 22.0, "memory": 2.0, "board": 38.0}
_MIDDLE = {"die": 3.0, "spreader": 12.0, "sink": 75.0, "memory": 4.0, "board": 60.0}
_LARGE = {"die": 7.0, "spreader": 40.0, "sink": 310.0, "memory": 9.0, "board": 120.0}


@dataclass(frozen=True)
class Supply:
    """How the board's power is read: every `period_s`, each of its rails in steps of `steps_w`.

    There is one rail for all, or one each for processor, GPU and the rest. `lossy`: rails are
    measured before the regulators, so that readings have their losses. A meter that counts energy
    counts in steps of `step_j`.
    """

    meter: Meter
    period_s: float
    steps_w: tuple[float, ...]
    lossy: bool = True
    noise: float = 0.003  # of a reading
    step_j: float = 0.0


@dataclass(frozen=True)
class Processor:
    """Watts at the top clock and its voltage: all cores decoding, the shared part, a warm chip.

    `leakage_w` holds at 45 °C.
    """

    switching_w: float
    uncore_w: float
    leakage_w: float


@dataclass(frozen=True)
class Path:
    """Conductances in W/K between nodes, and capacities in J/K.

    To still air, sink and circuit board lose `fins` and `face` times the temperature difference to
    the power of 1.25. A fan at full speed adds the conductance `blown` at the sink.
    """

    die_spreader: float
    spreader_sink: float
    die_board: float
    spreader_board: float
    fins: float
    face: float
    blown: float
    capacities: Mapping[str, float]  # of die, spreader, sink, memory, board


@dataclass(frozen=True)
class Graphics:
    """A GPU: its clocks, and watts at the top one; `memory_gb_s` is what it reads alone."""

    steps_hz: tuple[float, ...]
    switching_w: float
    leakage_w: float
    memory_gb_s: float
    rows_per_s: float  # of a model of 1 GB
    models_gb: tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of board."""

    profile: str
    cores: int
    steps_hz: tuple[float, ...]  # lowest first
    supply: Supply
    trip_c: float
    zone_step_c: float
    static_w: float  # of everything except the chip
    processor: Processor
    memory_w: float  # at full traffic
    memory_gb_s: float  # that all cores reach
    one_core: float  # share of it that one core reaches
    rows_per_s: float  # that a core computes of a model of 1 GB
    path: Path
    models_gb: tuple[float, ...]  # weights that a pass reads, by seed
    hot_c: float | None = None  # at which the clock falls to its lowest step at once
    fan_points: tuple[tuple[float, float], ...] = ()  # °C and drive
    unseen_w: float = 0.2  # of a drive or a USB stick, which no rail shows
    gpu: Graphics | None = None


def _every(first: float, last: float, step: float) -> tuple[float, ...]:
    count = round((last - first) / step)
    return tuple((first + n * step) * _MHZ for n in range(count + 1))


PI4 = Kind(
    profile="raspberry-pi-4b",
    cores=4,
    steps_hz=_every(600, 1800, 100),
    supply=Supply("modelled", 0.2, (), step_j=6e-3),  # one core for a tick of the kernel
    trip_c=80.0,
    hot_c=85.0,
    zone_step_c=0.487,
    static_w=1.55,
    processor=Processor(2.1, 0.25, 0.45),
    memory_w=0.35,
    memory_gb_s=4.4,
    one_core=0.55,
    rows_per_s=2.6,
    path=Path(1.1, 1.6, 0.035, 0.05, 0.026, 0.056, 0.0, _SMALL),
    models_gb=(0.15, 0.3, 0.6),
    unseen_w=0.3,
)
PI5 = Kind(
    profile="raspberry-pi-5",
    cores=4,
    steps_hz=_every(1500, 2400, 100),
    supply=Supply("pmic", 0.25, (2e-3,), lossy=False, noise=0.008),
    trip_c=80.0,
    hot_c=85.0,
    zone_step_c=0.55,
    static_w=1.75,
    processor=Processor(4.4, 0.45, 0.8),
    memory_w=0.6,
    memory_gb_s=11.0,
    one_core=0.5,
    rows_per_s=11.0,
    path=Path(1.5, 2.2, 0.05, 0.06, 0.034, 0.06, 0.26, {**_SMALL, "sink": 40.0}),
    models_gb=(0.15, 0.4, 1.0),
    fan_points=((50.0, 0.3), (60.0, 0.5), (67.5, 0.7), (75.0, 1.0)),
    unseen_w=0.9,
)
ORIN_NANO = Kind(
    profile="jetson-orin-nano-8gb",
    cores=6,
    steps_hz=_every(115.2, 1497.6, 76.8),
    supply=Supply("ina3221", 0.1, (0.04,)),
    trip_c=95.0,
    hot_c=99.0,
    zone_step_c=0.03125,
    static_w=3.1,
    processor=Processor(4.6, 0.6, 1.1),
    memory_w=1.3,
    memory_gb_s=24.0,
    one_core=0.3,
    rows_per_s=7.0,
    path=Path(2.2, 3.2, 0.06, 0.10, 0.055, 0.065, 0.36, _MIDDLE),
    models_gb=(0.4, 1.0, 2.0),
    fan_points=_JETSON_FAN,
    unseen_w=1.0,
    gpu=Graphics((306e6, 408e6, 510e6, 624.75e6), 5.2, 0.7, 52.0, 420.0, (1.0, 2.0, 4.0)),
)
AGX_ORIN = Kind(
    profile="jetson-agx-orin-64gb",
    cores=12,
    steps_hz=_every(115.2, 2188.8, 76.8),
    supply=Supply("ina3221", 0.1, (0.38, 0.38, 0.1)),
    trip_c=99.0,
    zone_step_c=0.03125,
    static_w=6.0,
    processor=Processor(12.5, 1.4, 2.3),
    memory_w=3.5,
    memory_gb_s=72.0,
    one_core=0.16,
    rows_per_s=10.0,
    path=Path(6.0, 9.0, 0.12, 0.2, 0.15, 0.12, 0.95, _LARGE),
    models_gb=(1.0, 2.0, 4.0),
    fan_points=_JETSON_FAN,
    unseen_w=2.0,
    gpu=Graphics(_every(306, 1224, 102), 20.0, 2.4, 160.0, 1900.0, (2.0, 4.0, 8.0)),
)
MINI_PC = Kind(
    profile="generic-x86",
    cores=4,
    steps_hz=_every(800, 3400, 200),
    supply=Supply("rapl", 0.1, (), lossy=False, step_j=6.1e-5),
    trip_c=100.0,
    zone_step_c=1.0,
    static_w=1.9,
    processor=Processor(14.0, 1.5, 1.6),
    memory_w=1.6,
    memory_gb_s=26.0,
    one_core=0.55,
    rows_per_s=26.0,
    path=Path(2.4, 2.6, 0.05, 0.08, 0.09, 0.12, 0.34, _MIDDLE),
    models_gb=(0.4, 1.0, 2.0),
    fan_points=((45.0, 0.25), (60.0, 0.5), (75.0, 0.75), (85.0, 1.0)),
    unseen_w=3.0,
)
KINDS: Mapping[str, Kind] = {
    kind.profile: kind for kind in (PI4, PI5, ORIN_NANO, AGX_ORIN, MINI_PC)
}
