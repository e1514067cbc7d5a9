"""The INA3221's registers and what their words mean. Source: Texas Instruments SBOS576."""

from __future__ import annotations

from edge_rt.board.readers.bounds import Bounds

CONFIG = 0x00
MANUFACTURER, MANUFACTURER_ID = 0xFE, 0x5449
DIE, DIE_ID = 0xFF, 0x3220
BUS_STEP_V = 8e-3
SHUNT_STEP_V = 40e-6
BUS_HIGH_V = 26.0
SHUNT_HIGH_V = 0.16384
LEAST_OHM = 0.001  # of any shunt known; where nothing tells the rail's own


def bounds(ohms: float | None, power: Bounds) -> tuple[Bounds, Bounds, Bounds]:
    """The power, voltage and current that the chip can tell of a rail with that shunt.

    A figure at the end of the shunt's range is refused: the current may be anything beyond it.
    """
    shunt = LEAST_OHM if ohms is None else ohms
    amps = (SHUNT_HIGH_V - 2.0 * SHUNT_STEP_V) / shunt
    of = f"is what an INA3221 measures over {shunt * 1e3:.4g} mΩ"
    volts = Bounds(0.0, BUS_HIGH_V, "is what an INA3221 measures")
    return power, volts, Bounds(-amps, amps, of)


def shunt_register(channel: int) -> int:
    """The register of the voltage over the shunt of channel 1, 2 or 3."""
    return 2 * channel - 1


def bus_register(channel: int) -> int:
    """The register of the bus voltage of channel 1, 2 or 3."""
    return 2 * channel


def swapped(word: int) -> int:
    """The chip's word from an SMBus word: SMBus sends the low byte first, the chip the high."""
    return ((word & 0xFF) << 8) | ((word >> 8) & 0xFF)


def steps(register: int) -> int:
    """The signed 13-bit figure in the upper bits of a measurement register, in steps."""
    value = (register >> 3) & 0x1FFF
    return value - 0x2000 if value & 0x1000 else value


def enabled(config: int, channel: int) -> bool:
    """Whether the configuration register lets channel 1, 2 or 3 measure."""
    return bool(config & (1 << (15 - channel)))


def continuous(config: int) -> bool:
    """Whether the chip measures shunts and buses all the time, and is not powered down."""
    return config & 0b111 == 0b111
