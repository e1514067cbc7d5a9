"""An INA3221 as a register file in memory, with or without the kernel's driver on it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from smbus2 import SMBus

from edge_rt.board.readers import ina3221 as registers
from edge_rt.board.readers.ina3221_i2c import Ina3221I2c

SYSFS = Path("/sys")
ALL_ON = 0x7127  # what the chip and the driver start with
SHUNTS_UOHM = (2000, 3000, 15000)
OHMS = {channel: value * 1e-6 for channel, value in enumerate(SHUNTS_UOHM, 1)}
LABELS = {1: "A", 2: "B", 3: "C"}

_DEVICES = SYSFS / "bus/i2c/devices"


@dataclass(frozen=True)
class Figures:
    """What one set of registers means: mV and µV of the three channels.

    `noise` stands in the three lowest bits, which mean nothing.
    """

    name: str
    bus_mv: tuple[int, int, int]
    shunt_uv: tuple[int, int, int]
    noise: int = 0

    def words(self) -> dict[int, int]:
        """The registers: a step is 8 mV or 40 µV, and the figure begins at bit 3."""
        found: dict[int, int] = {}
        for channel, (bus, shunt) in enumerate(zip(self.bus_mv, self.shunt_uv, strict=True), 1):
            found[2 * channel] = (bus & 0xFFFF) | self.noise
            found[2 * channel - 1] = ((shunt // 5) & 0xFFFF) | self.noise
        return found


class Chip:
    """One address of the stub."""

    def __init__(self, address: int) -> None:
        self.bus_number = _stub_bus()
        self.address = address
        self.place = f"{self.bus_number}-{address:04x}"
        self._device = _DEVICES / self.place
        self._bus = SMBus(self.bus_number)
        self.reset()

    def reset(self) -> None:
        """No driver, the right identity, all channels on, zero everywhere."""
        self.unbind()
        self.write(registers.MANUFACTURER, 0x5449)
        self.write(registers.DIE, 0x3220)
        self.write(registers.CONFIG, ALL_ON)
        self.fill(Figures("zero", (0, 0, 0), (0, 0, 0)))

    def fill(self, figures: Figures) -> None:
        """Let the chip have measured `figures`."""
        for register, word in figures.words().items():
            self.write(register, word)

    def write(self, register: int, word: int) -> None:
        """Set a register, whoever owns the chip."""
        _write(self._bus, self.address, register, word)

    def read(self, register: int) -> int:
        """Return what a register holds, whoever owns the chip."""
        word = self._bus.read_word_data(self.address, register, force=True)
        return int.from_bytes(word.to_bytes(2, "little"), "big")

    def bind(self) -> Path:
        """Let the driver own the chip, with our shunts; its hwmon folder."""
        if not (self._device / "driver").exists():
            _adapter(self.bus_number, "new_device", f"ina3221 {self.address:#x}")
            for channel, value in enumerate(SHUNTS_UOHM, 1):
                (self.hwmon() / f"shunt{channel}_resistor").write_text(f"{value}\n")
        return self.hwmon()

    def unbind(self) -> None:
        """Take the driver off."""
        with contextlib.suppress(OSError):  # there was none
            _adapter(self.bus_number, "delete_device", f"{self.address:#x}")
        if (self._device / "driver").exists():
            raise RuntimeError(f"{self._device} still has a driver")

    def hwmon(self) -> Path:
        """The folder that the driver made."""
        (folder,) = (self._device / "hwmon").iterdir()
        return folder

    def raw(
        self, *, force: bool = False, sysfs: Path = SYSFS, address: int | None = None
    ) -> Ina3221I2c:
        """Our raw reader of it, or of another address, with its own bus."""
        bus, number = SMBus(self.bus_number), self.bus_number
        return Ina3221I2c(bus, number, address or self.address, OHMS, LABELS, sysfs, force=force)


@contextlib.contextmanager
def bound(
    bus_number: int,
    driver: str,
    address: int,
    words: Mapping[int, int],
    octets: Mapping[int, int],
) -> Generator[None]:
    """Another chip with its driver on it; `octets` are what a block read finds, byte by byte."""
    with SMBus(bus_number) as bus:
        for register, word in words.items():
            _write(bus, address, register, word)
        for register, octet in octets.items():
            bus.write_byte_data(address, register, octet)
    _adapter(bus_number, "new_device", f"{driver} {address:#x}")
    try:
        yield
    finally:
        _adapter(bus_number, "delete_device", f"{address:#x}")


def _write(bus: SMBus, address: int, register: int, word: int) -> None:
    # SMBus sends the low byte of a word first, these chips the high one.
    swapped = int.from_bytes(word.to_bytes(2, "big"), "little")
    bus.write_word_data(address, register, swapped, force=True)


def _adapter(bus_number: int, file: str, text: str) -> None:
    (_DEVICES / f"i2c-{bus_number}" / file).write_text(text + "\n")


def _stub_bus() -> int:
    for folder in _DEVICES.glob("i2c-*"):
        if (folder / "name").read_text().startswith("SMBus stub"):
            return int(folder.name.partition("-")[2])
    raise LookupError(f"no stub among the buses in {_DEVICES}")
