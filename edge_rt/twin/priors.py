"""What profiles leave open: generic figures for each class of board, from priors.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge_rt.config.board import Board
from edge_rt.core.files import read_yaml


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


_FILE = Path(__file__).with_name("priors.yaml")
_OTHER = "other"


def prior_of(board: Board) -> BoardPrior:
    """The figures of the class that `board` belongs to, which a rail of it tells."""
    classes = msgspec.convert(read_yaml(_FILE), dict[str, BoardPrior])
    return classes[next((rail for rail in classes if rail in board.rails), _OTHER)]
