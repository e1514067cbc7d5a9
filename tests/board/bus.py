"""An I2C bus with one INA3221 on it."""

from __future__ import annotations

import os

from edge_rt.board.readers import ina3221 as chip

ALL_ON = 0x7127


class FakeBus:
    """The register file of one INA3221 at 0x40, as SMBus words."""

    def __init__(self) -> None:
        self.registers = {
            chip.CONFIG: ALL_ON,
            chip.MANUFACTURER: chip.MANUFACTURER_ID,
            chip.DIE: chip.DIE_ID,
            **dict.fromkeys(range(1, 7), 0),
        }
        self.errors: list[int] = []
        self.reads: list[int] = []
        self.forced: list[bool | None] = []

    def read_word_data(self, i2c_addr: int, register: int, force: bool | None = None) -> int:
        assert i2c_addr == 0x40
        self.reads.append(register)
        self.forced.append(force)
        if self.errors:
            error = self.errors.pop()
            raise OSError(error, os.strerror(error))
        word = self.registers[register]
        return ((word & 0xFF) << 8) | (word >> 8)

    def close(self) -> None:
        self.registers.clear()

    def measure(self, channel: int, bus_steps: int, shunt_steps: int) -> None:
        self.registers[chip.bus_register(channel)] = (bus_steps & 0x1FFF) << 3
        self.registers[chip.shunt_register(channel)] = (shunt_steps & 0x1FFF) << 3
