"""What profiles leave open: generic figures for each class of board.

All figures here are ours: rounded so that the profile's own power and the temperatures that
owners report come out about right. They are starting points of a simulation, not facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_rt.config.board import Board


@dataclass(frozen=True)
class RailShare:
    """How much of the board's static, switching and leakage power one rail carries by itself, the
    GPU's apart from the others'.

    A rail that feeds others shows their power on top of its own.
    """

    static: float = 0.0
    dynamic: float = 0.0
    leakage: float = 0.0
    voltage_v: float = 5.0
    gpu: float = 0.0  # of all that the GPU takes


@dataclass(frozen=True)
class GpuPrior:
    """The graphics processor of a class of boards; the profile tells whether there is one."""

    devices: tuple[str, ...] = ("gpu",)  # of devfreq, first the one whose clock counts
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


_JETSON_FAN = ((50.0, 0.35), (65.0, 0.7), (80.0, 1.0))

# Module of 7 to 40 W below a heat sink with a fan. About 2.3 K/W at full fan: 29 W end at 92 °C,
# as measured on an Orin NX; idle comes out near its 4.6 W.
_JETSON_MODULE = BoardPrior(
    static_w=3.8,
    core_w=1.5,
    leakage_w=0.8,
    resistances_c_per_w=(0.7, 4.0),
    capacities_j_per_c=(6.0, 110.0),
    shares={
        "VDD_IN": RailShare(
            0.45, 0.10, 0.0, 5.0, 0.20
        ),  # memory, storage, what the regulators lose
        "VDD_CPU_GPU_CV": RailShare(0.15, 0.90, 0.80, 5.0, 0.70),
        "VDD_SOC": RailShare(0.40, 0.0, 0.20, 5.0, 0.10),
    },
    fan_gain=1.5,
    fan_points=_JETSON_FAN,
    low_hz=115.2e6,
    policy_cores=4,
    critical_c=104.5,
    zone_step_c=0.03125,
    gpu=GpuPrior(("17000000.gpu",)),
)
# A larger module and a larger heat sink: three nodes, since the sink's base warms before its fins.
_AGX = BoardPrior(
    static_w=7.0,
    core_w=1.8,
    leakage_w=2.0,
    resistances_c_per_w=(0.25, 0.20, 1.60),
    capacities_j_per_c=(10.0, 60.0, 300.0),
    shares={
        "VDD_GPU_SOC": RailShare(0.45, 0.0, 0.40, 19.0, 0.80),
        "VDD_CPU_CV": RailShare(0.10, 0.85, 0.60, 19.0),
        "VIN_SYS_5V0": RailShare(0.45, 0.15, 0.0, 5.0, 0.20),
        "VDDQ_VDD2_1V8AO": RailShare(0.15, 0.10, 0.0, 19.0, 0.12),  # shown, and in no total
    },
    fan_gain=2.5,
    fan_points=_JETSON_FAN,
    low_hz=115.2e6,
    policy_cores=4,
    throttle_c=99.0,
    critical_c=104.5,
    zone_step_c=0.03125,
    gpu=GpuPrior(("17000000.gpu",), busy_w_per_hz=16e-9, leakage_w=1.0),
)
# The input of module and carrier reads about 7 W more than the module's 13 W at idle.
_THOR = BoardPrior(
    static_w=16.0,
    core_w=3.0,
    leakage_w=4.0,
    resistances_c_per_w=(0.12, 0.10, 1.2),
    capacities_j_per_c=(20.0, 150.0, 600.0),
    shares={
        "VIN": RailShare(0.40, 0.0, 0.0, 19.0),
        "VDD_GPU": RailShare(0.0, 0.0, 0.0, 12.0, 0.80),  # nothing while it is switched off
        "VDD_CPU_SOC_MSS": RailShare(0.20, 0.85, 1.0, 12.0, 0.10),
        "VIN_SYS_5V0": RailShare(0.40, 0.15, 0.0, 5.0, 0.10),
    },
    fan_gain=3.0,
    fan_points=_JETSON_FAN,
    low_hz=115.2e6,
    policy_cores=2,
    throttle_c=105.0,
    critical_c=114.5,
    zone_step_c=0.03125,
    gpu=GpuPrior(("gpu-gpc-0", "gpu-nvd-0"), tells_load=False, busy_w_per_hz=15e-9, leakage_w=2.0),
)
# A heat sink without a fan: about 60 °C at 5 W.
_NANO = BoardPrior(
    static_w=1.0,
    core_w=0.9,
    leakage_w=0.3,
    resistances_c_per_w=(1.0, 6.5),
    capacities_j_per_c=(3.0, 70.0),
    shares={
        "POM_5V_IN": RailShare(0.75, 0.10, 0.10, 5.0, 0.20),
        "POM_5V_GPU": RailShare(0.10, 0.0, 0.20, 5.0, 0.80),
        "POM_5V_CPU": RailShare(0.15, 0.90, 0.70, 5.0),
    },
    low_hz=102e6,
    throttle_c=97.0,
    critical_c=102.5,
    zone_step_c=0.5,
    gpu=GpuPrior(
        ("57000000.gpu",),
        "devices",
        busy_w_per_hz=4e-9,
        leakage_w=0.15,
        low_hz=76.8e6,
        step_hz=76.8e6,
    ),
    iio=True,
)
# What the regulators see, below the meter at the plug: VDD_CORE at about 0.7 W idle and 5.4 W
# loaded. With the maker's cooler about 65 °C under load; without its fan it throttles.
_PI5 = BoardPrior(
    static_w=1.9,
    core_w=1.2,
    leakage_w=0.35,
    resistances_c_per_w=(1.5, 9.0),
    capacities_j_per_c=(3.0, 55.0),
    shares={
        "3V7_WL_SW": RailShare(0.10, 0.0, 0.0, 3.7),
        "3V3_SYS": RailShare(0.17, 0.0, 0.0, 3.3),
        "1V8_SYS": RailShare(0.13, 0.0, 0.0, 1.8),
        "DDR_VDD2": RailShare(0.03, 0.05, 0.0, 1.1),
        "DDR_VDDQ": RailShare(0.0, 0.01, 0.0, 0.6),
        "1V1_SYS": RailShare(0.14, 0.0, 0.0, 1.1),
        "0V8_SW": RailShare(0.20, 0.0, 0.0, 0.8),
        "VDD_CORE": RailShare(0.16, 0.94, 1.0, 0.86),
        "0V8_AON": RailShare(0.01, 0.0, 0.0, 0.8),
        "3V3_DAC": RailShare(0.0, 0.0, 0.0, 3.3),
        "3V3_ADC": RailShare(0.0, 0.0, 0.0, 3.3),
        "HDMI": RailShare(0.06, 0.0, 0.0, 5.0),
    },
    fan_gain=2.2,
    fan_points=((50.0, 0.3), (60.0, 0.5), (67.5, 0.7), (75.0, 1.0)),
    low_hz=1.5e9,
    throttle_c=80.0,
    zone_step_c=0.55,
)
# No sensor of power. Bare, or with a small heat sink: 2.2 W idle near 50 °C, 5.4 W near 85 °C.
_SMALL = BoardPrior(
    static_w=2.0,
    core_w=0.8,
    leakage_w=0.25,
    resistances_c_per_w=(1.5, 9.5),
    capacities_j_per_c=(3.0, 25.0),
    throttle_c=80.0,
    zone_step_c=0.487,
)
# A mini PC's package below a quiet cooler: about 23 W end short of the 100 °C of Intel's chips.
_X86 = BoardPrior(
    static_w=2.4,
    core_w=5.0,
    leakage_w=0.8,
    resistances_c_per_w=(0.8, 2.2),
    capacities_j_per_c=(5.0, 120.0),
    shares={
        "package-0": RailShare(0.40, 0.0, 0.20),
        "package-0/core": RailShare(0.25, 0.90, 0.80),
        "package-0/uncore": RailShare(0.20, 0.0, 0.0),
        "package-0/dram": RailShare(0.15, 0.10, 0.0),
    },
    top_hz=3.4e9,
    low_hz=0.4e9,
    policy_cores=1,
    throttle_c=100.0,
    zone_step_c=1.0,
)

# By a rail that only boards of the class have.
_BY_RAIL = {
    "VDD_CPU_GPU_CV": _JETSON_MODULE,
    "VDD_CPU_CV": _AGX,
    "VDD_CPU_SOC_MSS": _THOR,
    "POM_5V_IN": _NANO,
    "VDD_CORE": _PI5,
    "package-0": _X86,
}


def prior_of(board: Board) -> BoardPrior:
    """The figures of the class that `board` belongs to."""
    return next((prior for rail, prior in _BY_RAIL.items() if rail in board.rails), _SMALL)
